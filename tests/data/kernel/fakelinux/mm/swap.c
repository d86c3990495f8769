int swap_free(void)
{
	int unused;
	return 2;
}

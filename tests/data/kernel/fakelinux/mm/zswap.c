int zswap_store(void)
{
	return 1;
}

# What Kbuild would do in mm/; a patch can change it, as it can mm/Makefile.
$(O)/mm/%.o: $(srctree)/mm/%.c
	@mkdir -p $(O)/mm
	@echo "  CC      mm/$*.o"
	@$(CC) -Wall -c -o $@ $<

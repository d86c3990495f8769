# What Kbuild would do in mm/; a patch can change it, as it can mm/Makefile.
$(O)/mm/%.o: $(srctree)/mm/%.c
	@mkdir -p $(O)/mm
	@echo "  CC      mm/$*.o"
	@$(CC) -Wall $(CFLAGS_$*.o) -c -o $@ $<

# One object by its name, made anew as Kbuild does when its command line differs.
mm/%.o: FORCE
	@echo "  CC      mm/$*.o"
	@$(CC) -Wall $(CFLAGS_$*.o) -c -o $(O)/mm/$*.o $(srctree)/mm/$*.c
FORCE:
.PHONY: FORCE

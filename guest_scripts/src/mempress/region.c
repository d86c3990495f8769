// SPDX-License-Identifier: GPL-2.0-or-later
#include "region.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base.h"
#include "content.h"
#include "mix.h"

/* From linux/mempolicy.h, which is not on every build host. */
#define MPOL_BIND 2
#define MPOL_INTERLEAVE 3

/* The size of a PMD on x86-64; aligned so, the kernel walks the region in the same pieces at every address. */
#define ALIGNMENT (2ul << 20)

#define GENERATION_MASK 0x7fu
#define READS_AS_ZERO 0x80u

static uint64_t hash_name(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 0x100000001b3ull;
	return hash;
}

static void place_region(const struct region *region)
{
	const struct region_spec *spec = region->spec;
	int mode = spec->placement == PLACE_BIND ? MPOL_BIND : MPOL_INTERLEAVE;

	if (spec->placement == PLACE_ANYWHERE)
		return;
	/* The kernel takes the number of bits plus one. */
	if (syscall(SYS_mbind, region->base, spec->bytes, mode, spec->nodes, MAX_NODES + 1, 0) != 0)
		die_errno("mbind of region %s", spec->name);
}

static void advise_thp(const struct region *region)
{
	const struct region_spec *spec = region->spec;
	int advice = spec->thp == THP_ALWAYS ? MADV_HUGEPAGE : MADV_NOHUGEPAGE;

	if (spec->thp == THP_DEFAULT || madvise(region->base, spec->bytes, advice) == 0)
		return;
	/* A kernel without huge pages refuses both; "never" holds there by itself. */
	if (spec->thp == THP_NEVER && errno == EINVAL)
		return;
	die_errno("madvise(%s) of region %s", spec->thp == THP_ALWAYS ? "MADV_HUGEPAGE" : "MADV_NOHUGEPAGE",
		  spec->name);
}

void map_region(struct region *region, const struct region_spec *spec, uint64_t seed)
{
	int sharing = spec->is_shared ? MAP_SHARED : MAP_PRIVATE;
	uintptr_t address;

	*region = (struct region){.spec = spec, .page_bytes = (size_t)sysconf(_SC_PAGESIZE)};
	region->pages = spec->bytes / region->page_bytes;
	region->key = mix64(seed ^ hash_name(spec->name));
	/* What is left of the reservation stays around the region as guard: neighbours must not merge into one VMA. */
	region->reserved_bytes = spec->bytes + 2 * ALIGNMENT;
	region->reserved = mmap(NULL, region->reserved_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
				-1, 0);
	if (region->reserved == MAP_FAILED)
		die_errno("mmap of %zu bytes for region %s", region->reserved_bytes, spec->name);
	address = ((uintptr_t)region->reserved + ALIGNMENT) & ~(uintptr_t)(ALIGNMENT - 1);
	region->base = mmap((void *)address, spec->bytes, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS | MAP_FIXED,
			    -1, 0);
	if (region->base == MAP_FAILED)
		die_errno("mmap of region %s", spec->name);
	region->generations = mmap(NULL, region->pages, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS | MAP_POPULATE,
				   -1, 0);
	if (region->generations == MAP_FAILED)
		die_errno("mmap of the bookkeeping of region %s", spec->name);
	memset(region->generations, READS_AS_ZERO, region->pages);
	place_region(region);
	advise_thp(region);
}

void drop_region(struct region *region)
{
	/* MADV_DONTNEED on shared memory only drops our mapping of it; the contents would come back. */
	int advice = region->spec->is_shared ? MADV_REMOVE : MADV_DONTNEED;

	if (madvise(region->base, region->spec->bytes, advice) != 0)
		die_errno("madvise(%s) of region %s", advice == MADV_REMOVE ? "MADV_REMOVE" : "MADV_DONTNEED",
			  region->spec->name);
	for (uint64_t page = 0; page < region->pages; page++)
		region->generations[page] |= READS_AS_ZERO;
}

void unmap_region(struct region *region)
{
	if (munmap(region->reserved, region->reserved_bytes) != 0)
		die_errno("munmap of region %s", region->spec->name);
	region->base = NULL;
}

static uint64_t page_key(const struct region *region, uint64_t page, unsigned int generation)
{
	return mix64(region->key ^ mix64(page << 8 | generation));
}

void write_page(struct region *region, uint64_t page)
{
	unsigned int generation = (region->generations[page] & GENERATION_MASK) % GENERATION_MASK + 1;

	make_content(&region->spec->content, page_key(region, page, generation), generation,
		     region->base + page * region->page_bytes, region->page_bytes);
	region->generations[page] = (unsigned char)generation;
}

void expected_page(const struct region *region, uint64_t page, void *expected)
{
	unsigned int generation = region->generations[page];

	if (generation & READS_AS_ZERO)
		memset(expected, 0, region->page_bytes);
	else
		make_content(&region->spec->content, page_key(region, page, generation), generation, expected,
			     region->page_bytes);
}

uint64_t count_resident(const struct region *region)
{
	unsigned char states[1024];
	uint64_t resident = 0;

	for (uint64_t first = 0; first < region->pages; first += sizeof(states)) {
		uint64_t left = region->pages - first;
		size_t pages = left < sizeof(states) ? (size_t)left : sizeof(states);

		if (mincore(region->base + first * region->page_bytes, pages * region->page_bytes, states) != 0)
			die_errno("mincore of region %s", region->spec->name);
		for (size_t i = 0; i < pages; i++)
			resident += states[i] & 1;
	}
	return resident;
}

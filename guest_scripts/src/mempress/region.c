// SPDX-License-Identifier: GPL-2.0-or-later
#include "region.h"

#include <errno.h>
#include <fcntl.h>
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
#define MPOL_MF_MOVE (1 << 1)

/* The size of a PMD on x86-64; aligned so, the kernel walks the region in the same pieces at every address. */
#define ALIGNMENT (2ul << 20)

#define GENERATION_MASK 0x3fu
#define MAY_READ_AS_ZERO 0x40u
#define READS_AS_ZERO 0x80u

static uint64_t hash_name(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 0x100000001b3ull;
	return hash;
}

static void place_region(const struct region *region, const struct policy *policy, unsigned int flags)
{
	int mode = policy->placement == PLACE_BIND ? MPOL_BIND : MPOL_INTERLEAVE;

	if (policy->placement == PLACE_ANYWHERE)
		return;
	/* The kernel takes the number of bits plus one. */
	if (syscall(SYS_mbind, region->base, region->spec->bytes, mode, policy->nodes, MAX_NODES + 1, flags) != 0)
		die_errno("mbind of region %s", region->spec->name);
}

void move_region(struct region *region, const struct policy *policy)
{
	place_region(region, policy, MPOL_MF_MOVE);
}

/* A new file of the region's size, or -1: anonymous memory. */
static int create_file(const struct region_spec *spec)
{
	int fd;

	if (!spec->file)
		return -1;
	/* Not one that is there already: it would be emptied here and removed at the end. */
	fd = open(spec->file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)spec->bytes) != 0)
		die_errno("cannot create %s for region %s", spec->file, spec->name);
	return fd;
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
	int fd = create_file(spec);
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
	region->base = mmap((void *)address, spec->bytes, PROT_READ | PROT_WRITE,
			    sharing | MAP_FIXED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
	if (region->base == MAP_FAILED)
		die_errno("mmap of region %s", spec->name);
	if (fd >= 0)
		close(fd);
	region->generations = mmap(NULL, region->pages, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS | MAP_POPULATE,
				   -1, 0);
	if (region->generations == MAP_FAILED)
		die_errno("mmap of the bookkeeping of region %s", spec->name);
	memset(region->generations, READS_AS_ZERO, region->pages);
	place_region(region, &spec->policy, 0);
	advise_thp(region);
}

static void advise_and_mark(struct region *region, uint64_t first, uint64_t count, int advice, const char *name,
			    unsigned char mark)
{
	if (madvise(region->base + first * region->page_bytes, count * region->page_bytes, advice) != 0)
		die_errno("madvise(%s) of region %s", name, region->spec->name);
	for (uint64_t page = first; page < first + count; page++)
		region->generations[page] |= mark;
}

void drop_pages(struct region *region, uint64_t first, uint64_t count)
{
	/* MADV_DONTNEED on shared memory only drops our mapping of it; the contents would come back. */
	if (region->spec->is_shared)
		advise_and_mark(region, first, count, MADV_REMOVE, "MADV_REMOVE", READS_AS_ZERO);
	else
		advise_and_mark(region, first, count, MADV_DONTNEED, "MADV_DONTNEED", READS_AS_ZERO);
}

void lazyfree_pages(struct region *region, uint64_t first, uint64_t count)
{
	advise_and_mark(region, first, count, MADV_FREE, "MADV_FREE", MAY_READ_AS_ZERO);
}

void unmap_region(struct region *region)
{
	if (munmap(region->reserved, region->reserved_bytes) != 0)
		die_errno("munmap of region %s", region->spec->name);
	region->base = NULL;
	remove_file(region);
}

void remove_file(const struct region *region)
{
	if (region->spec->file && unlink(region->spec->file) != 0)
		die_errno("unlink of %s", region->spec->file);
}

static uint64_t page_key(const struct region *region, uint64_t page, unsigned int generation)
{
	return mix64(region->key ^ mix64(page << 8 | generation));
}

void write_page(struct region *region, uint64_t page)
{
	unsigned int generation = (region->generations[page] & GENERATION_MASK) % GENERATION_MASK + 1;

	content_of(region, page, generation, region->base + page * region->page_bytes, region->page_bytes);
	region->generations[page] = (unsigned char)generation;
}

void content_of(const struct region *region, uint64_t page, unsigned int generation, void *out, size_t bytes)
{
	struct content content = region->spec->content;

	if (content.whole_every && page % content.whole_every == content.whole_every - 1)
		content.random_bytes = region->page_bytes;
	if (content.random_bytes > bytes)
		content.random_bytes = bytes;
	make_content(&content, page_key(region, page, generation), generation, out, bytes);
}

void expected_page(const struct region *region, uint64_t page, void *expected)
{
	if (reads_as_zero(region, page))
		memset(expected, 0, region->page_bytes);
	else
		content_of(region, page, last_generation(region, page), expected, region->page_bytes);
}

unsigned int last_generation(const struct region *region, uint64_t page)
{
	return region->generations[page] & GENERATION_MASK;
}

bool reads_as_zero(const struct region *region, uint64_t page)
{
	return region->generations[page] & READS_AS_ZERO;
}

bool may_read_as_zero(const struct region *region, uint64_t page)
{
	return region->generations[page] & (READS_AS_ZERO | MAY_READ_AS_ZERO);
}

uint64_t count_resident(const struct region *region, uint64_t first, uint64_t end)
{
	unsigned char states[1024];
	uint64_t resident = 0;

	for (; first < end; first += sizeof(states)) {
		uint64_t left = end - first;
		size_t pages = left < sizeof(states) ? (size_t)left : sizeof(states);

		if (mincore(region->base + first * region->page_bytes, pages * region->page_bytes, states) != 0)
			die_errno("mincore of region %s", region->spec->name);
		for (size_t i = 0; i < pages; i++)
			resident += states[i] & 1;
	}
	return resident;
}

// SPDX-License-Identifier: GPL-2.0-only
/* What superblocks and directories do with names, from what the kernel has of them. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___fold
#include "fold.bpf.h"
#include "maps.bpf.h"
#include "walk.bpf.h"

#define ENF_DCACHE_OP_COMPARE 0x2 /* include/linux/dcache.h */
#define ENF_S_CASEFOLD (1 << 15)  /* include/linux/fs.h, since v5.2 */
#define ENF_FOLD_MOUNTS 64	  /* one above the other; more are taken to fold */
#define ENF_FOLD_STEPS 8192	  /* as many as a path may have that is known (ENF_WALK_DEEP) */

/*
 * Types of which it is known what else than the case of letters they leave out: dots and spaces at the end, and beside
 * a long name a short one. Others may cut names off, or map bytes.
 */
static const volatile char enf_known_folds[][8] = {
	"vfat", "exfat", "ntfs3", "ntfs", "hfsplus", "iso9660", "jfs", "cifs", "smb3", "efivarf",
};

/* What is read goes to *word*, here and below, which most keep in the scratch: these frames lie below all others. */
static __always_inline int enf_has_encoding(__u64 sb, __u64 *word)
{
	*word = 0;
	if (bpf_core_field_exists(((struct super_block *)0)->s_encoding))
		enf_read(*word, sb + enf_offset(struct super_block, s_encoding));
	return *word != 0;
}

/* ntfs, ntfs3, cifs: what their dentries compare says nothing of short names, or of what a server does. */
static __always_inline int enf_is_foreign_type(__u64 sb, __u64 *word)
{
	__u64 magic;

	*word = 0;
	enf_read(*word, sb + enf_offset(struct super_block, s_magic));
	magic = *word;
	return magic == 0x5346544e || magic == 0x7366746e || magic == 0xff534d42 ||
	       magic == 0xfe534d42;
}

/*
 * All dentries of a superblock compare in the same way, but for procfs, whose root does as usual, and for ext4 and f2fs
 * before v6.9, which set that up one by one: there it is the encoding that tells.
 */
static __always_inline int enf_compares(__u64 sb, __u64 *word)
{
	__u64 root;

	*word = 0;
	enf_read(*word, sb + enf_offset(struct super_block, s_root));
	root = *word;
	*word = 0;
	enf_read(*(__u32 *)word, root + enf_offset(struct dentry, d_flags));
	return (*word & ENF_DCACHE_OP_COMPARE) || enf_is_foreign_type(sb, word);
}

struct enf_above {
	__u64 mount;
	__u64 word;
	__u32 folds;
	__u32 ends;
};

static long enf_above_one(__u32 i, void *arg)
{
	struct enf_above *above = arg;
	__u64 parent = 0, sb = 0, point = 0;

	(void)i;
	enf_read(parent, above->mount + enf_offset(struct mount, mnt_parent));
	if (parent == above->mount || !parent) {
		above->ends = 1;
		return 1;
	}
	enf_read(sb, parent + enf_offset(struct mount, mnt.mnt_sb));
	enf_read(point, above->mount + enf_offset(struct mount, mnt_mountpoint));
	above->folds |= enf_has_encoding(sb, &above->word) || enf_compares(sb, &above->word) ||
			enf_in_encrypted(point);
	above->mount = parent;
	return above->folds != 0;
}

__attribute__((noinline)) int enf_may_fold(__u64 sb, __u64 mount)
{
	struct enf_above above = { .mount = mount };

	if (enf_has_encoding(sb, &above.word) || enf_compares(sb, &above.word))
		return 1;
	if (!mount)
		return 0;
	bpf_loop(ENF_FOLD_MOUNTS, enf_above_one, &above, 0);
	return above.folds || !above.ends;
}

/* ---- The way up --------------------------------------------------------------------------- */

struct enf_folding {
	__u64 dentry, mount, root;
	__u64 sb;     /* that has not been looked at */
	__u64 word;   /* that was read last */
	__u32 length; /* of what has been passed */
	__u32 from;   /* the same, as it was behind the topmost name that is folded */
	__u32 fold;   /* the least certain on the way */
	__u32 here;   /* of the superblock at hand */
	__u32 ends;
	struct enf_link link;
	char type[8];
};

static __always_inline struct enf_folding *enf_folding_of(struct enf_scratch *s)
{
	return (struct enf_folding *)s->work;
}

_Static_assert(sizeof(struct enf_folding) <= sizeof(((struct enf_scratch *)0)->work), "work");

/* Returns: enum enf_fold of what the superblock at hand does; of CASE each directory says whether it does it. */
static __always_inline __u32 enf_fold_of(struct enf_folding *f)
{
	__u64 known = 0;

	if (enf_has_encoding(f->sb, &f->word))
		return ENF_FOLD_CASE;
	if (!enf_compares(f->sb, &f->word))
		return ENF_FOLD_NONE;
	f->word = 0;
	enf_read(f->word, f->sb + enf_offset(struct super_block, s_type));
	enf_read(f->word, f->word + enf_offset(struct file_system_type, name));
	*(__u64 *)f->type = 0;
	bpf_probe_read_kernel_str(f->type, sizeof(f->type), (const void *)f->word);
	for (__u32 i = 0; i < sizeof(enf_known_folds) / 8; i++)
		known |= *(const volatile __u64 *)enf_known_folds[i] == *(__u64 *)f->type;
	return known ? ENF_FOLD_SHORT : ENF_FOLD_OTHER;
}

/* Over the root of a mount. Returns: not 0 if there is nothing above. */
static __always_inline int enf_fold_over(struct enf_folding *f)
{
	__u64 parent;

	f->word = 0;
	if (f->mount)
		enf_read(f->word, f->mount + enf_offset(struct mount, mnt_parent));
	parent = f->word;
	if (parent == f->mount || !parent) {
		f->ends = 1;
		return 1;
	}
	enf_read(f->dentry, f->mount + enf_offset(struct mount, mnt_mountpoint));
	enf_read(f->root, parent + enf_offset(struct mount, mnt.mnt_root));
	enf_read(f->sb, parent + enf_offset(struct mount, mnt.mnt_sb));
	f->mount = parent;
	return 0;
}

/* Has the dentry a name that stands for one that only the key tells? */
static __always_inline int enf_lacks_key(struct enf_folding *f)
{
	__u32 flag = ENF_DCACHE_NOKEY_NAME;

	if (bpf_core_enum_value_exists(enum dentry_flags, DCACHE_NOKEY_NAME))
		flag = bpf_core_enum_value(enum dentry_flags, DCACHE_NOKEY_NAME);
	f->word = 0;
	enf_read(*(__u32 *)&f->word, f->dentry + enf_offset(struct dentry, d_flags));
	return !!(f->word & flag);
}

static long enf_fold_one(__u32 i, void *arg)
{
	struct enf_folding *f = enf_folding_of(((struct enf_hold *)arg)->s);
	struct enf_link *link = &f->link;
	__u32 fold;
	__u64 inode;

	(void)i;
	if (f->dentry == f->root)
		return enf_fold_over(f);
	if (f->sb) {
		f->here = enf_fold_of(f);
		f->sb = 0;
	}
	enf_read_name(f->dentry, link);
	if (!link->parent || link->parent == f->dentry)
		return 1;
	f->length += (link->hash_len >> 32) + 1;
	fold = f->here;
	if (fold == ENF_FOLD_CASE) {
		f->word = 0;
		enf_read(f->word, link->parent + enf_offset(struct dentry, d_inode));
		inode = f->word;
		f->word = 0;
		enf_read(*(__u32 *)&f->word, inode + enf_offset(struct inode, i_flags));
		if (!(f->word & ENF_S_CASEFOLD))
			fold = ENF_FOLD_NONE;
	}
	/* It may be any name: onError decides, if a pattern could lie below the directory. */
	if (enf_lacks_key(f))
		fold = ENF_FOLD_OTHER;
	if (fold) {
		f->from = f->length;
		if (fold > f->fold)
			f->fold = fold;
	}
	f->dentry = link->parent;
	return 0;
}

__attribute__((noinline)) int enf_fold(struct enf_scratch *s, __u64 dentry, __u64 mount, __u64 root)
{
	struct enf_hold hold = { .s = s };
	struct enf_folding *f;
	__u32 at;

	if (!s)
		return 1;
	f = enf_folding_of(s);
	enf_read(f->sb, dentry + enf_offset(struct dentry, d_sb));
	f->dentry = dentry;
	f->mount = mount;
	f->root = root;
	f->length = 0;
	f->from = 0;
	f->fold = ENF_FOLD_NONE;
	f->here = ENF_FOLD_NONE;
	f->ends = 0;
	bpf_loop(ENF_FOLD_STEPS, enf_fold_one, &hold, 0);
	if (!f->ends)
		return 1;
	at = f->length - f->from;
	if (f->fold && at < s->object.path_len) /* else what is known of a long path is above it */
		s->object.flags |= f->fold << ENF_FOLD_AT | at << ENF_FOLD_FROM_AT;
	return 0;
}

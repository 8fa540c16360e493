/* vfs_unlink as kernels 6.3 and later have it. */
#define UNLINK_ARGUMENTS struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry
#include "unlink.h"

/* vfs_unlink as kernels before 5.12 have it. */
#define UNLINK_ARGUMENTS struct inode *dir, struct dentry *dentry
#include "unlink.h"

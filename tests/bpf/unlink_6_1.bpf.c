/* vfs_unlink as kernels 5.12 to 6.2 have it. */
#define UNLINK_ARGUMENTS struct user_namespace *mnt_userns, struct inode *dir, struct dentry *dentry
#include "unlink.h"

package proc

import "os"

// HandOver gives a folder to the user that Limits.RunAs names; empty: nothing
// is done.
func HandOver(dir, runAs string) error {
	cred, err := credential(runAs)
	if err != nil || cred == nil {
		return err
	}
	return os.Chown(dir, int(cred.Uid), int(cred.Gid))
}

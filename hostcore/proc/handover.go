package proc

import (
	"fmt"
	"os"
	"path/filepath"
)

// HandOver gives a folder to the user that Limits.RunAs names, and lets that
// user pass through the two above it, which are the host's: not look, and not
// into what else is there. With an empty runAs nothing is done.
func HandOver(dir, runAs string) error {
	cred, err := credential(runAs)
	if err != nil || cred == nil {
		return err
	}
	parent := filepath.Dir(dir)
	for _, p := range []string{parent, filepath.Dir(parent)} {
		if err := letPass(p); err != nil {
			return err
		}
	}
	return os.Chown(dir, int(cred.Uid), int(cred.Gid))
}

// letPass lets every user walk through a folder to a path that they know.
func letPass(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode()&0o001 != 0 {
		return nil
	}
	if err := os.Chmod(dir, info.Mode().Perm()|0o011); err != nil {
		return fmt.Errorf("let another user pass through %s: %w", dir, err)
	}
	return nil
}

package store

import (
	"io/fs"
	"time"
)

// SettleTime is how long a file must not have changed before it is taken in.
// Add waits that long for a fresh file, and up to four times as long for one
// that goes on changing.
const SettleTime = 250 * time.Millisecond

// settled checks the file and waits until nobody writes to it: it has not
// changed for SettleTime, going by the inode's change time, which unlike the
// modification time cannot be set (cp -p), and nobody has it open for writing,
// where the system tells.
func settled(path string) (fs.FileInfo, error) {
	for end := time.Now().Add(4 * SettleTime); ; {
		info, err := check(path)
		if err != nil {
			return nil, err
		}
		change := Changed(info)
		age := time.Since(time.Unix(change.Unix()))
		// A change in the future is a clock that was set back: not waited for.
		fresh := age >= 0 && age < SettleTime
		if !fresh && !beingWritten(path) {
			return info, nil
		}
		if time.Now().After(end) {
			return nil, &RefusedError{Path: path, Err: ErrUnstable, Fix: "copy it beside the plugin folder and rename it into place"}
		}
		wait := SettleTime / 5
		if fresh {
			wait = SettleTime - age
		}
		time.Sleep(wait)
	}
}

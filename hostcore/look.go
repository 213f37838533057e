package hostcore

import (
	"fmt"
	"log/slog"
	"os"
	"syscall"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/catalog"
)

// Catalog opens the plugin folder of a configuration for those who look at it
// without a host. It uses the store of the state folder where that belongs to
// this user. Where it is another's, as when root looks at the plugins of a
// service, it uses one of its own: what it put into the other's store that user
// could not read, and what it ran from there that user could have changed.
// The returned function ends it and removes what it made.
func Catalog(c *config.Config, logger *slog.Logger) (*catalog.Catalog, func(), error) {
	remove := func() {}
	if foreign(c.Host.StateDir) {
		own, err := os.MkdirTemp("", "orch-look")
		if err != nil {
			return nil, nil, fmt.Errorf("make a folder for copies of the plugins: %w", err)
		}
		elsewhere := *c
		elsewhere.Host.StateDir, elsewhere.Host.RuntimeDir = own, own
		c, remove = &elsewhere, func() { _ = os.RemoveAll(own) } // in the folder of temporary files
	}
	cat, err := openCatalog(c, logger, nil)
	if err != nil {
		remove()
		return nil, nil, err
	}
	return cat, func() { cat.Close(); remove() }, nil
}

// foreign tells whether a folder is there and belongs to another user.
func foreign(dir string) bool {
	info, err := os.Stat(dir)
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) != os.Geteuid()
}

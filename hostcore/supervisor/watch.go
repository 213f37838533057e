package supervisor

import (
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/sdk/pluginv1"
)

// watch forwards the health that i pushes until its process ends. A plugin that
// ends the stream is asked again after a back-off, and goes on as it stands: that
// it says nothing is no failure, and its process may still report one.
func (u *unit) watch(i *plugin.Instance) {
	u.drains.Go(func() {
		l := u.s.o.Limits
		for wait := l.BackoffMin; ; wait = min(2*wait, l.BackoffMax) {
			began := time.Now()
			err := i.Watch(u.s.ctx, func(s *pluginv1.Status) bool { return u.forward(health{i, s}) })
			if status.Code(err) == codes.Unimplemented {
				return // it pushes no health
			}
			if time.Since(began) >= l.StableAfter {
				wait = l.BackoffMin
			}
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-i.Done():
				timer.Stop()
				return
			case <-u.s.ctx.Done():
				timer.Stop()
				return
			}
			u.s.logger(u.name).Debug("the plugin has ended the stream of its health and is asked again", "version", i.Manifest.GetVersion(), "error", err)
		}
	})
}

// forward hands a report to the unit; false when it has ended.
func (u *unit) forward(h health) bool {
	select {
	case u.healths <- h:
		return true
	case <-u.s.ctx.Done():
		return false
	}
}

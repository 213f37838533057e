package supervisor

import (
	"log/slog"
	"slices"
	"testing"

	"github.com/orch-host/orch/hostcore/pluginlog"
)

func TestWhatHappensToAPluginIsInItsLogWhateverTheHostPrints(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		book := pluginlog.NewBook()
		w.o.Logger = slog.New(book.Handler(slog.DiscardHandler))
		w.put(binary("a", "1.0.0", "x"))
		w.put(binary("a", "1.1.0", "x"))
		w.status("a")
		var got []string
		for _, l := range book.Read([]string{"a"}, 0, 0) {
			got = append(got, l.Message)
		}
		if !slices.Equal(got, []string{"plugin started", "plugin swapped"}) {
			t.Errorf("its log has %q", got)
		}
	})
}

package admin

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/orch-host/orch/hostcore/pluginlog"
)

// maxLogWait bounds how long a request for log lines may wait for one.
const maxLogWait = time.Minute

// LogQuery says which lines of a plugin's log are wanted.
type LogQuery struct {
	Plugin string
	After  uint64        // only lines with a higher Seq
	Last   int           // at most this many, the latest; 0: all that are kept
	Wait   time.Duration // when there is none, wait for one as long
}

func handleLogs(b Backend) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := LogQuery{Plugin: r.PathValue("name")}
		var err error
		if v := r.URL.Query().Get("after"); v != "" {
			if q.After, err = strconv.ParseUint(v, 10, 64); err != nil {
				answer(w, http.StatusBadRequest, failure{fmt.Sprintf("after=%s is not a number", v)})
				return
			}
		}
		if v := r.URL.Query().Get("last"); v != "" {
			if q.Last, err = strconv.Atoi(v); err != nil {
				answer(w, http.StatusBadRequest, failure{fmt.Sprintf("last=%s is not a number", v)})
				return
			}
		}
		if v := r.URL.Query().Get("wait"); v != "" {
			if q.Wait, err = time.ParseDuration(v); err != nil {
				answer(w, http.StatusBadRequest, failure{fmt.Sprintf("wait=%s is not a duration", v)})
				return
			}
		}
		ctx, cancel := context.WithTimeout(r.Context(), min(q.Wait, maxLogWait))
		defer cancel()
		lines, err := b.Logs(ctx, q)
		if err != nil {
			answer(w, http.StatusNotFound, failure{err.Error()})
			return
		}
		answer(w, http.StatusOK, lines)
	}
}

// Logs returns lines of a plugin's log, the oldest first.
func (c *Client) Logs(ctx context.Context, q LogQuery) ([]pluginlog.Line, error) {
	v := url.Values{}
	v.Set("after", strconv.FormatUint(q.After, 10))
	v.Set("last", strconv.Itoa(q.Last))
	v.Set("wait", q.Wait.String())
	return get[[]pluginlog.Line](ctx, c, "/v1/plugins/"+url.PathEscape(q.Plugin)+"/logs?"+v.Encode())
}

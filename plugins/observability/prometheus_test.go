package observability

import (
	"strings"
	"testing"
)

func TestPrometheusIsNotConfiguredWithWhatItWouldRefuse(t *testing.T) {
	for key, c := range map[string]PrometheusConfig{
		"prometheus.scrape_interval: ":        {ScrapeInterval: "15 seconds"},
		"prometheus.scrape_interval: \"0\"":   {ScrapeInterval: "0"},
		"prometheus.scrape_interval: \"0s\"":  {ScrapeInterval: "0s"},
		"prometheus.scrape_interval: \"1s1m":  {ScrapeInterval: "1s1m"},
		"prometheus.scrape_interval: \"1.5m":  {ScrapeInterval: "1.5m"},
		"prometheus.scrape_interval: \"99999": {ScrapeInterval: "999999999999y"},
		"prometheus.targets.loki: ":           {Targets: map[string]string{"loki": "other:3100"}},
		"prometheus.targets.applications: ":   {Targets: map[string]string{"applications": "other:3100"}},
		"prometheus.targets.: ":               {Targets: map[string]string{"": "other:3100"}},
		"prometheus.targets.shop: ":           {Targets: map[string]string{"shop": "other"}},
	} {
		if err := c.check(); err == nil || !strings.HasPrefix(err.Error(), key) {
			t.Errorf("%+v: error %v, want one that begins with %q", c, err, key)
		}
	}
	for _, interval := range []string{"", "15s", "1m30s", "500ms", "1h", "1d"} {
		if err := (PrometheusConfig{ScrapeInterval: interval, Targets: map[string]string{"shop": "shop:80"}}).check(); err != nil {
			t.Errorf("%q: %v", interval, err)
		}
	}
}

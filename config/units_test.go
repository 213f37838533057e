package config_test

import (
	"testing"
	"time"

	"github.com/orch-host/orch/config"
)

func TestDurationsAreReadWithDays(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30s": 30 * time.Second, "5m": 5 * time.Minute, "1h30m": 90 * time.Minute, "30d": 720 * time.Hour,
		"1d12h": 36 * time.Hour, "0s": 0, "0": 0, "-5s": -5 * time.Second, " 1.5h ": 90 * time.Minute,
	} {
		if got, err := config.ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "30", "d", "1d-12h", "30 s", "5x", "1d5", "999999d", "1h2d", "36500d2562047h"} {
		if got, err := config.ParseDuration(text); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}

func TestAmountsOfMemoryAreReadAndWritten(t *testing.T) {
	for text, want := range map[string]config.Bytes{
		"256MiB": 256 << 20, "1.5GB": 1.5e9, "1GiB": 1 << 30, "64kb": 64000, "1024": 1024, "8 MiB": 8 << 20, "5B": 5, "0": 0,
	} {
		if got, err := config.ParseBytes(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "MiB", "-5MiB", "5XB", "5MiB5", "99999999999TiB", "1e3"} {
		if got, err := config.ParseBytes(text); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
	for amount, want := range map[config.Bytes]string{256 << 20: "256MiB", 1 << 40: "1TiB", 1000: "1000B", 0: "0B", 1536: "1536B", 3 << 10: "3KiB"} {
		if got := amount.String(); got != want {
			t.Errorf("%d: %s, want %s", int64(amount), got, want)
		}
		if back, err := config.ParseBytes(amount.String()); err != nil || back != amount {
			t.Errorf("%s does not read back: %v, %v", amount, back, err)
		}
	}
}

func TestSchedulesAreWhatTemporalTakes(t *testing.T) {
	for schedule, good := range map[string]bool{
		"0 3 * * *": true, "*/5 0-6,22 * jan-mar mon-fri": true, "0 3 * * 7": true, "0 3 1 1 * 2030": true, "30 0 3 * * * 2030-2040/2": true,
		"@every 6h": true, "@every 1d": true, "@every 6h/30m": true, "@daily": true, "CRON_TZ=Europe/Berlin 0 3 * * *": true, "5/15 * * * *": true,
		"0 24 * * *": false, "0 3 0 * *": false, "0 3 * 13 *": false, "0 3 * *": false, "5-1 * * * *": false, "*/0 * * * *": false,
		"@every 1ms": false, "@every x": false, "@every 1h/2h": false, "@dayly": false, "CRON_TZ=Mars/Base 0 3 * * *": false, "every day": false,
		"0 3 ? * *": false, "0 3 1 1 * 1999": false, "0 3 1 1 * 2000-2100": true, "0 3 1 1 * 2101": false, "@every  6h": false, "@every 1d12h": true,
		"0 3 * * * * * *": false, "* * * * mon-": false, "1,,2 * * * *": false,
	} {
		_, err := config.Load(config.Options{Environ: []string{}, Path: write(t, "[services.a]\nworkflow='W'\nschedule='"+schedule+"'")})
		if (err == nil) != good {
			t.Errorf("%q: %v", schedule, err)
		}
	}
}

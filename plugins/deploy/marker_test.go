package deploy

import (
	"strings"
	"testing"
)

func TestAMarkerReadsBackAsItWasWritten(t *testing.T) {
	for _, m := range []marker{{}, {Want: "w", Prev: "p", Run: "r", ID: "i"}, {Want: "w"}} {
		if got := parseMarker(m.String()); got != m {
			t.Errorf("%q reads as %+v", m, got)
		}
	}
	if got := parseMarker("something else"); got != (marker{}) {
		t.Errorf("%+v", got)
	}
}

func TestWhatToDoAboutTheNewestDeployment(t *testing.T) {
	announced := marker{Want: "w", Prev: "d1", Run: "r1"}
	done := marker{Want: "w", Prev: "d1", Run: "r1", ID: "d2"}
	cases := map[string]struct {
		m         marker
		want, run string
		latest    string
		v         verdict
		next      step
	}{
		"nothing was ever deployed":                 {marker{}, "w", "r1", "", waiting, start},
		"other content is live":                     {done, "other", "r2", "d2", live, start},
		"announced, and not started":                {announced, "w", "r1", "d1", live, start},
		"announced by another run, and not started": {announced, "w", "r2", "d1", live, start},
		"started, and nobody heard of it":           {announced, "w", "r1", "d2", waiting, adopt},
		"started by a run that is gone":             {announced, "w", "r2", "d2", waiting, adopt},
		"live as wanted":                            {done, "w", "r2", "d2", live, adopt},
		"somebody deployed by hand since":           {done, "w", "r2", "d3", live, start},
		"failed in this run":                        {announced, "w", "r1", "d2", failed, adopt},
		"failed in an earlier run":                  {announced, "w", "r2", "d2", failed, start},
		"failed, and no run is known":               {marker{Want: "w", Prev: "d1"}, "w", "", "d2", failed, start},
		"replaced by somebody in this run":          {announced, "w", "r1", "d2", superseded, adopt},
		"live once, and switched off since":         {done, "w", "r2", "d2", superseded, start},
	}
	for name, c := range cases {
		if got := c.m.decide(c.want, c.run, c.latest, c.v); got != c.next {
			t.Errorf("%s: step %d, want %d", name, got, c.next)
		}
	}
}

func TestAFingerprintTellsContentsApartAndRevealsNone(t *testing.T) {
	a := fingerprint("s", map[string]any{"A": canarySecret})
	if a != fingerprint("s", map[string]any{"A": canarySecret}) {
		t.Error("the same content has two fingerprints")
	}
	if a == fingerprint("s", map[string]any{"A": "x"}) || a == fingerprint("t", map[string]any{"A": canarySecret}) {
		t.Error("other content, or another holder, has the same fingerprint")
	}
	if strings.Contains(a, canarySecret) || len(a) != 16 {
		t.Errorf("fingerprint %q", a)
	}
}

func TestWordsSplitAsAShellWould(t *testing.T) {
	for in, want := range map[string]string{
		`bin/migrate --all`:      `bin/migrate|--all`,
		`sh -c "a b" 'c d' e\ f`: `sh|-c|a b|c d|e f`,
		`a "b\"c" ''`:            `a|b"c|`,
		"  a\t b\n":              `a|b`,
	} {
		got, err := words(in)
		if err != nil || strings.Join(got, "|") != want {
			t.Errorf("words(%q) = %q, %v", in, got, err)
		}
	}
	for _, bad := range []string{`a "b`, `a 'b`, `a \`} {
		if _, err := words(bad); err == nil {
			t.Errorf("words(%q) passes", bad)
		}
	}
}

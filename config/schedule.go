package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// cronField is one field of a cron expression.
type cronField struct {
	name     string
	min, max int
	names    []string // of the values from min on
}

var (
	cronSecond = cronField{name: "second", max: 59}
	cronYear   = cronField{name: "year", min: 2000, max: 2100}
	cronFields = []cronField{
		{name: "minute", max: 59},
		{name: "hour", max: 23},
		{name: "day of the month", min: 1, max: 31},
		{name: "month", min: 1, max: 12, names: []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
		{name: "day of the week", max: 7, names: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
	}
	cronNicknames = []string{"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}
)

// checkSchedule accepts what a Temporal schedule takes as a cron string: 5 fields, 6 with a year behind, 7 with seconds
// in front as well; CRON_TZ=zone in front; nicknames; "@every interval" and "@every interval/phase".
func checkSchedule(s string) (message, hint string) {
	const form = "such as \"0 3 * * *\" (minute, hour, day, month, day of the week), \"@every 6h\" or \"@daily\""
	rest := strings.TrimSpace(s)
	for _, prefix := range []string{"CRON_TZ=", "TZ="} {
		if after, ok := strings.CutPrefix(rest, prefix); ok {
			zone, cron, _ := strings.Cut(after, " ")
			if _, err := time.LoadLocation(zone); err != nil || zone == "" {
				return fmt.Sprintf("unknown time zone %q", shorten(zone)), "such as CRON_TZ=Europe/Berlin"
			}
			rest = strings.TrimSpace(cron)
			break
		}
	}
	if every, ok := strings.CutPrefix(rest, "@every "); ok {
		interval, phase, hasPhase := strings.Cut(every, "/")
		d, err := ParseDuration(interval)
		if err != nil || d < time.Second || strings.ContainsAny(every, " \t") {
			return fmt.Sprintf("expected an interval of 1s or more, found %q", shorten(interval)), "such as \"@every 6h\""
		}
		if p, err := ParseDuration(phase); hasPhase && (err != nil || p < 0 || p >= d) {
			return fmt.Sprintf("expected a phase shorter than the interval, found %q", shorten(phase)), "such as \"@every 6h/30m\""
		}
		return "", ""
	}
	if strings.HasPrefix(rest, "@") {
		for _, n := range cronNicknames {
			if rest == n {
				return "", ""
			}
		}
		return fmt.Sprintf("unknown schedule %q", shorten(rest)), didYouMean(rest, cronNicknames)
	}
	fields, parts := cronFields, strings.Fields(rest)
	switch len(parts) {
	case 5:
	case 6:
		fields = append(fields[:5:5], cronYear)
	case 7:
		fields = append(append([]cronField{cronSecond}, fields...), cronYear)
	default:
		return fmt.Sprintf("expected a cron expression, found %q", shorten(s)), form
	}
	for i, part := range parts {
		for item := range strings.SplitSeq(part, ",") {
			if !fields[i].accepts(item) {
				return fmt.Sprintf("the field for the %s cannot be %q", fields[i].name, shorten(part)), form
			}
		}
	}
	return "", ""
}

// accepts "*", "3", "1-5", "mon-fri", each with "/step" behind.
func (f cronField) accepts(item string) bool {
	span, step, hasStep := strings.Cut(item, "/")
	if n, err := strconv.Atoi(step); hasStep && (err != nil || n < 1) {
		return false
	}
	if span == "*" {
		return true
	}
	from, to, isRange := strings.Cut(span, "-")
	low, ok := f.value(from)
	if !ok || !isRange {
		return ok
	}
	high, ok := f.value(to)
	return ok && low <= high
}

func (f cronField) value(s string) (int, bool) {
	for i, name := range f.names {
		if strings.EqualFold(s, name) {
			return f.min + i, true
		}
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= f.min && n <= f.max
}

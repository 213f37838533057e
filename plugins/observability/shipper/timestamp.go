package shipper

import "time"

// clock turns timestamps into Unix nanoseconds. Log lines come in runs of the same second, so the last second is kept.
type clock struct {
	loc     *time.Location
	prefix  [19]byte
	seconds int64 // of prefix, read as UTC
	local   int64 // of prefix, read in loc
}

// rfc3339 parses a timestamp at the start of b: 2006-01-02T15:04:05, with 'T', 't' or a space, an optional fraction
// after '.' or ',', and Z, ±hh:mm, ±hhmm or nothing. It returns the number of bytes it took; 0 means there is none.
func (c *clock) rfc3339(b []byte) (ns int64, n int) {
	if len(b) < 19 || b[4] != '-' || b[7] != '-' || b[13] != ':' || b[16] != ':' {
		return 0, 0
	}
	if [19]byte(b[:19]) != c.prefix {
		if !c.remember(b) {
			return 0, 0
		}
	}
	n = 19
	if n < len(b)-1 && (b[n] == '.' || b[n] == ',') && isDigit(b[n+1]) {
		n++
		for scale := int64(100_000_000); n < len(b) && isDigit(b[n]); n++ {
			ns += int64(b[n]-'0') * scale
			scale /= 10
		}
	}
	if n < len(b) && (b[n] == 'Z' || b[n] == 'z') {
		return c.seconds*1e9 + ns, n + 1
	}
	if n+5 <= len(b) && (b[n] == '+' || b[n] == '-') {
		if off, m := zone(b[n:]); m > 0 {
			return (c.seconds-off)*1e9 + ns, n + m
		}
	}
	return c.local*1e9 + ns, n
}

func (c *clock) remember(b []byte) bool {
	if b[10] != 'T' && b[10] != ' ' && b[10] != 't' {
		return false
	}
	year, mon, day := two(b)*100+two(b[2:]), two(b[5:]), two(b[8:])
	h, m, s := two(b[11:]), two(b[14:]), two(b[17:])
	if two(b) < 0 || two(b[2:]) < 0 || year < 1678 || year > 2261 || mon < 1 || mon > 12 || day < 1 || day > 31 ||
		h < 0 || h > 23 || m < 0 || m > 59 || s < 0 || s > 60 {
		return false
	}
	c.prefix = [19]byte(b[:19])
	c.seconds = time.Date(year, time.Month(mon), day, h, m, s, 0, time.UTC).Unix()
	c.local = c.seconds
	if c.loc != nil && c.loc != time.UTC {
		c.local = time.Date(year, time.Month(mon), day, h, m, s, 0, c.loc).Unix()
	}
	return true
}

// zone parses ±hh:mm or ±hhmm to seconds east of UTC.
func zone(b []byte) (seconds int64, n int) {
	h, rest, n := two(b[1:]), b[3:], 5
	if rest[0] == ':' {
		rest, n = rest[1:], 6
	}
	if len(rest) < 2 || h < 0 || h > 23 {
		return 0, 0
	}
	m := two(rest)
	if m < 0 || m > 59 {
		return 0, 0
	}
	seconds = int64(h*3600 + m*60)
	if b[0] == '-' {
		seconds = -seconds
	}
	return seconds, n
}

// two reads two digits; negative when they are none.
func two(b []byte) int {
	if len(b) < 2 || !isDigit(b[0]) || !isDigit(b[1]) {
		return -1 << 20
	}
	return int(b[0]-'0')*10 + int(b[1]-'0')
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// bsd parses the timestamp of RFC 3164, "Jan _2 15:04:05", which has neither year nor zone: the year is the one that
// puts it closest before tomorrow.
func (c *clock) bsd(b []byte, now time.Time) (ns int64, n int) {
	if len(b) < 15 || b[3] != ' ' || b[6] != ' ' || b[9] != ':' || b[12] != ':' {
		return 0, 0
	}
	mon := month(b)
	day := int(b[5] - '0')
	if b[4] != ' ' {
		day = two(b[4:])
	}
	h, m, s := two(b[7:]), two(b[10:]), two(b[13:])
	if mon == 0 || day < 1 || day > 31 || !isDigit(b[5]) || h < 0 || h > 23 || m < 0 || m > 59 || s < 0 || s > 60 {
		return 0, 0
	}
	loc := c.loc
	if loc == nil {
		loc = time.UTC
	}
	t := time.Date(now.In(loc).Year(), mon, day, h, m, s, 0, loc)
	if t.After(now.Add(24 * time.Hour)) {
		t = time.Date(t.Year()-1, mon, day, h, m, s, 0, loc)
	}
	return t.UnixNano(), 15
}

func month(b []byte) time.Month {
	const names = "JanFebMarAprMayJunJulAugSepOctNovDec"
	for i := 0; i < len(names); i += 3 {
		if string(b[:3]) == names[i:i+3] {
			return time.Month(i/3 + 1)
		}
	}
	return 0
}

// epoch reads a number of seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by its size.
func epoch(b []byte) (int64, bool) {
	var whole, frac int64
	i, scale := 0, int64(1e9)
	for ; i < len(b) && isDigit(b[i]); i++ {
		if i >= 19 {
			return 0, false
		}
		whole = whole*10 + int64(b[i]-'0')
	}
	if i == 0 || whole < 1e8 || whole < 0 {
		return 0, false
	}
	switch {
	case whole < 1e10:
	case whole < 1e13:
		scale = 1e6
	case whole < 1e16:
		scale = 1e3
	default:
		scale = 1
	}
	if whole > (1<<63-1)/scale {
		return 0, false
	}
	if i < len(b) && b[i] == '.' {
		i++
		for step := scale / 10; i < len(b) && isDigit(b[i]); i++ {
			frac += int64(b[i]-'0') * step
			step /= 10
		}
	}
	return whole*scale + frac, i == len(b)
}

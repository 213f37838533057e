package shipper

// The OTLP severity numbers that the parsers use.
const (
	sevTrace  = 1
	sevDebug  = 5
	sevInfo   = 9
	sevNotice = 10
	sevWarn   = 13
	sevError  = 17
	sevCrit   = 18
	sevAlert  = 19
	sevFatal  = 21
)

// severityOf maps a level's name, in any case, to its number; 0 when it is none.
func severityOf(word []byte) uint8 {
	if len(word) < 3 || len(word) > 13 {
		return 0
	}
	var low [13]byte
	for i, c := range word {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		low[i] = c
	}
	switch string(low[:len(word)]) {
	case "trace", "finest", "trc", "verbose":
		return sevTrace
	case "debug", "dbg", "fine", "dbug":
		return sevDebug
	case "info", "inf", "information", "informational":
		return sevInfo
	case "notice":
		return sevNotice
	case "warn", "warning", "wrn":
		return sevWarn
	case "error", "err", "eror", "severe":
		return sevError
	case "crit", "critical":
		return sevCrit
	case "alert":
		return sevAlert
	case "fatal", "emerg", "emergency", "panic", "ftl", "dpanic":
		return sevFatal
	}
	return 0
}

// syslogSeverity maps the severity part of a PRI (0..7).
var syslogSeverity = [8]struct {
	number uint8
	text   string
}{{sevFatal, "emerg"}, {sevAlert, "alert"}, {sevCrit, "crit"}, {sevError, "err"}, {sevWarn, "warning"}, {sevNotice, "notice"}, {sevInfo, "info"}, {sevDebug, "debug"}}

// numericSeverity maps the levels of bunyan and pino (10 trace ... 60 fatal).
func numericSeverity(n int64) uint8 {
	switch {
	case n < 10 || n > 69:
		return 0
	default:
		return [...]uint8{sevTrace, sevDebug, sevInfo, sevWarn, sevError, sevFatal}[n/10-1]
	}
}

// findSeverity looks for a level in the first words of text: INFO, [warn], <error>, level=debug, "INFO:".
func findSeverity(text []byte) (uint8, []byte) {
	const words, reach = 5, 160
	if len(text) > reach {
		text = text[:reach]
	}
	for i, w := 0, 0; i < len(text) && w < words; w++ {
		for i < len(text) && !isLetter(text[i]) {
			i++
		}
		start := i
		for i < len(text) && (isLetter(text[i]) || text[i] == '_' || (text[i] >= '0' && text[i] <= '9')) {
			i++
		}
		word := text[start:i]
		if n := severityOf(word); n != 0 {
			return n, word
		}
		// The value of another key is prose: msg="error ..." says nothing about the level.
		if i < len(text) && text[i] == '=' && string(word) != "level" && string(word) != "lvl" && string(word) != "severity" {
			for i < len(text) && text[i] != ' ' {
				i++
			}
		}
		// A word inside a longer token (a path, a host name) is none.
		for i < len(text) && text[i] > ' ' && text[i] != ']' && text[i] != '=' && text[i] != '|' {
			i++
		}
	}
	return 0, nil
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

package shipper

import (
	"encoding/json"
	"strconv"
	"time"
)

// jsonEncoder writes OTLP/JSON. Each record begins with a comma, which is left out for the first of a resource.
type jsonEncoder struct{}

func (jsonEncoder) contentType() string { return "application/json" }

// jsonString appends s, which must be valid UTF-8, as a JSON string.
func jsonString[S []byte | string](b []byte, s S) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\t':
			b = append(b, '\\', 't')
		case '\r':
			b = append(b, '\\', 'r')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(b, s[from:]...), '"')
}

func jsonAttribute[S []byte | string](b []byte, key string, value S) []byte {
	b = jsonString(append(b, `{"key":`...), key)
	b = jsonString(append(b, `,"value":{"stringValue":`...), value)
	return append(b, `}}`...)
}

func (jsonEncoder) record(b []byte, r *record, observed int64) (out []byte, body, bodyLen int) {
	b = append(b, `,{"timeUnixNano":"`...)
	b = strconv.AppendInt(b, r.time, 10)
	b = append(b, `","observedTimeUnixNano":"`...)
	b = strconv.AppendInt(b, observed, 10)
	if r.severity > 0 {
		b = append(b, `","severityNumber":`...)
		b = strconv.AppendInt(b, int64(r.severity), 10)
		b = jsonString(append(b, `,"severityText":`...), r.severityText)
	} else {
		b = append(b, '"')
	}
	b = append(b, `,"body":{"stringValue":`...)
	body = len(b)
	b = jsonString(b, r.body)
	bodyLen = len(b) - body
	b = append(b, '}')
	if r.stream != "" || r.part > 0 || r.original != 0 {
		b = append(b, `,"attributes":[`...)
		if r.stream != "" {
			b = append(jsonAttribute(b, attrStream, r.stream), ',')
		}
		if r.part > 0 {
			b = append(jsonAttribute(b, attrPart, strconv.Itoa(r.part)), ',')
		}
		if r.original != 0 {
			b = append(jsonAttribute(b, attrOriginal, time.Unix(0, r.original).UTC().Format(time.RFC3339Nano)), ',')
		}
		b[len(b)-1] = ']'
	}
	return append(b, '}'), body, bodyLen
}

func (jsonEncoder) frame(head []byte, st *settings, _ int) (before, after []byte) {
	head = append(append(head, `{"resource":{"attributes":[`...), st.encoded...)
	attrs, n := st.own()
	for _, a := range attrs[:n] {
		head = append(jsonAttribute(head, a.key, a.value), ',')
	}
	head = head[:len(head)-1] // a resource has one attribute at least
	return append(head, `]},"scopeLogs":[{"logRecords":[`...), []byte(`]}]}`)
}

func (jsonEncoder) envelope() (before, between, after string) {
	return `{"resourceLogs":[`, ",", `]}`
}
func (jsonEncoder) separator() int { return 1 }

// text gives the body back as it was before it was escaped.
func (jsonEncoder) text(body []byte) string {
	var s string
	if json.Unmarshal(body, &s) != nil {
		return string(body)
	}
	return s
}

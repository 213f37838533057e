package shipper

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"time"
)

// protoEncoder writes the messages of opentelemetry/proto/logs/v1 by hand: sizes are known before the bytes are
// written, so nothing is copied twice and nothing is allocated. Field numbers are those of the .proto files.
type protoEncoder struct{}

func (protoEncoder) contentType() string { return "application/x-protobuf" }

func varintLen(n int) int { return (bits.Len64(uint64(n)|1) + 6) / 7 }

// stringField is the size of a length-delimited field whose number is below 16.
func stringField(n int) int { return 1 + varintLen(n) + n }

func protoString[S []byte | string](b []byte, tag byte, s S) []byte {
	b = append(b, tag)
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// protoAttribute appends KeyValue{key, AnyValue{string_value}} as the given field.
func protoAttribute[S []byte | string](b []byte, field int, key string, value S) []byte {
	any := stringField(len(value))
	b = append(b, byte(field<<3|2))
	b = binary.AppendUvarint(b, uint64(stringField(len(key))+stringField(any)))
	b = protoString(b, 1<<3|2, key)
	b = append(b, 2<<3|2)
	b = binary.AppendUvarint(b, uint64(any))
	return protoString(b, 1<<3|2, value)
}

func attributeLen(key, value int) int {
	return stringField(stringField(key) + stringField(stringField(value)))
}

const (
	attrStream   = "log.iostream"
	attrPart     = "log.record.part"
	attrOriginal = "log.original_time"
)

// record appends ScopeLogs.log_records = 2 and returns where in b its body's text stands.
func (protoEncoder) record(b []byte, r *record, observed int64) (out []byte, body, bodyLen int) {
	var partBuf [20]byte
	part := partBuf[:0]
	if r.part > 0 {
		part = strconv.AppendInt(part, int64(r.part), 10)
	}
	anyLen := stringField(len(r.body))
	size := 9 + 9 + stringField(anyLen)
	if r.severity > 0 {
		size += 2 + stringField(len(r.severityText))
	}
	if r.stream != "" {
		size += attributeLen(len(attrStream), len(r.stream))
	}
	if len(part) > 0 {
		size += attributeLen(len(attrPart), len(part))
	}
	var original string
	if r.original != 0 {
		original = time.Unix(0, r.original).UTC().Format(time.RFC3339Nano)
		size += attributeLen(len(attrOriginal), len(original))
	}
	b = append(b, 2<<3|2)
	b = binary.AppendUvarint(b, uint64(size))
	b = append(b, 1<<3|1) // time_unix_nano
	b = binary.LittleEndian.AppendUint64(b, uint64(r.time))
	if r.severity > 0 {
		b = append(b, 2<<3, r.severity)
		b = protoString(b, 3<<3|2, r.severityText)
	}
	b = append(b, 5<<3|2) // body
	b = binary.AppendUvarint(b, uint64(anyLen))
	b = protoString(b, 1<<3|2, r.body)
	body, bodyLen = len(b)-len(r.body), len(r.body)
	if r.stream != "" {
		b = protoAttribute(b, 6, attrStream, r.stream)
	}
	if len(part) > 0 {
		b = protoAttribute(b, 6, attrPart, part)
	}
	if original != "" {
		b = protoAttribute(b, 6, attrOriginal, original)
	}
	b = append(b, 11<<3|1) // observed_time_unix_nano
	return binary.LittleEndian.AppendUint64(b, uint64(observed)), body, bodyLen
}

// frame returns what stands before and after the records of one resource.
func (protoEncoder) frame(head []byte, st *settings, records int) (before, after []byte) {
	scope := stringField(records)
	attrs, n := st.own()
	size := len(st.encoded)
	for _, a := range attrs[:n] {
		size += attributeLen(len(a.key), len(a.value))
	}
	head = append(head, 1<<3|2) // ExportLogsServiceRequest.resource_logs
	head = binary.AppendUvarint(head, uint64(stringField(size)+scope))
	head = append(head, 1<<3|2) // ResourceLogs.resource
	head = append(binary.AppendUvarint(head, uint64(size)), st.encoded...)
	for _, a := range attrs[:n] {
		head = protoAttribute(head, 1, a.key, a.value) // Resource.attributes
	}
	head = append(head, 2<<3|2) // ResourceLogs.scope_logs
	return binary.AppendUvarint(head, uint64(records)), nil
}

func (protoEncoder) envelope() (before, between, after string) { return "", "", "" }
func (protoEncoder) separator() int                            { return 0 }
func (protoEncoder) text(body []byte) string                   { return string(body) }

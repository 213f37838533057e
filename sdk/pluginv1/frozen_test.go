package pluginv1_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/orch-host/orch/sdk/pluginv1"
)

const frozen = "testdata/frozen-v1"

// digests of the frozen contract. A change of these lines is a broken promise
// to everybody who has built a plugin.
var digests = map[string]string{
	"main.go":                "b60946e32ead18b12555e3ce591f2354cf9e42a5acc63ef3adc5cd6a19278964",
	"plugin.proto":           "3b0ce5cc5480460d81e8fe7507b1510346bc046f517f8ce6fca3816f480ad5b1",
	"plugin.binpb":           "4c58062a535896c75fa2fdd0e4856c4055347c05f61cad3f3b515001956da46f",
	"wire/plugin.pb.go":      "4771a55d158a69ce127ec00bd5c4e5f8a498c9488d80e42e378e83458f1c95df",
	"wire/plugin_grpc.pb.go": "af580f808184d84ad882e95f90754e7fdc8d91352bedcbb62c044bd86216b5dd",
}

func TestTheFrozenContractIsNotEdited(t *testing.T) {
	for name, want := range digests {
		data, err := os.ReadFile(filepath.Join(frozen, name))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		if got := hex.EncodeToString(sum[:]); got != want {
			t.Errorf("%s/%s was edited (digest %s): see the README there", frozen, name, got)
		}
	}
}

func frozenFile(t *testing.T) protoreflect.FileDescriptor {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(frozen, "plugin.binpb"))
	if err != nil {
		t.Fatal(err)
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(data, &set); err != nil {
		t.Fatal(err)
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		t.Fatal(err)
	}
	f, err := files.FindFileByPath("plugin.proto")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestTheContractOnlyGrows(t *testing.T) {
	for _, lost := range missing(frozenFile(t), pluginv1.File_plugin_proto) {
		t.Errorf("%s: plugins of the first release depend on it", lost)
	}
}

func TestALossIsNoticed(t *testing.T) {
	d := protodesc.ToFileDescriptorProto(frozenFile(t))
	d.MessageType[0].Name = proto.String("Renamed")
	info := messageNamed(t, d, "Info")
	info.Field[0].Number = proto.Int32(99)
	info.Field[1].Type = descriptorpb.FieldDescriptorProto_TYPE_BYTES.Enum()
	info.Field = append(info.Field[:2], info.Field[3:]...)
	for _, m := range d.GetService()[0].Method {
		if m.GetName() == "Drain" {
			m.ServerStreaming = proto.Bool(false)
		}
		if m.GetInputType() == ".orch.plugin.v1.DescribeRequest" {
			m.InputType = proto.String(".orch.plugin.v1.Renamed")
		}
	}
	changed, err := protodesc.NewFile(d, protoRegistry(t))
	if err != nil {
		t.Fatal(err)
	}
	lost := missing(frozenFile(t), changed)
	if len(lost) < 5 {
		t.Errorf("want a renamed message, a renumbered, a retyped and a removed field, and a changed call; got %q", lost)
	}
}

func messageNamed(t *testing.T, d *descriptorpb.FileDescriptorProto, name string) *descriptorpb.DescriptorProto {
	t.Helper()
	for _, m := range d.MessageType {
		if m.GetName() == name {
			return m
		}
	}
	t.Fatalf("there is no message %s", name)
	return nil
}

func protoRegistry(t *testing.T) protodesc.Resolver {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(frozen, "plugin.binpb"))
	if err != nil {
		t.Fatal(err)
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(data, &set); err != nil {
		t.Fatal(err)
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// missing lists what of old is not in now, or is there in another form.
func missing(old, now protoreflect.FileDescriptor) []string {
	var lost []string
	if old.Package() != now.Package() {
		lost = append(lost, fmt.Sprintf("package %s is now %s", old.Package(), now.Package()))
	}
	for i := range old.Messages().Len() {
		m := old.Messages().Get(i)
		lost = append(lost, missingFields(m, now.Messages().ByName(m.Name()))...)
	}
	for i := range old.Services().Len() {
		s := old.Services().Get(i)
		in := now.Services().ByName(s.Name())
		if in == nil {
			lost = append(lost, fmt.Sprintf("service %s is gone", s.FullName()))
			continue
		}
		for j := range s.Methods().Len() {
			m := s.Methods().Get(j)
			if got := in.Methods().ByName(m.Name()); got == nil || call(got) != call(m) {
				lost = append(lost, fmt.Sprintf("call %s is gone or has changed", m.FullName()))
			}
		}
	}
	return lost
}

func call(m protoreflect.MethodDescriptor) string {
	return fmt.Sprint(m.Input().FullName(), m.IsStreamingClient(), m.Output().FullName(), m.IsStreamingServer())
}

func missingFields(old, now protoreflect.MessageDescriptor) []string {
	if now == nil {
		return []string{fmt.Sprintf("message %s is gone", old.FullName())}
	}
	var lost []string
	for i := range old.Fields().Len() {
		f := old.Fields().Get(i)
		if got := now.Fields().ByName(f.Name()); got == nil || form(got) != form(f) {
			lost = append(lost, fmt.Sprintf("field %s is gone or has changed", f.FullName()))
		}
	}
	for i := range old.Enums().Len() {
		e := old.Enums().Get(i)
		in := now.Enums().ByName(e.Name())
		for j := range e.Values().Len() {
			v := e.Values().Get(j)
			if in == nil || in.Values().ByName(v.Name()) == nil || in.Values().ByName(v.Name()).Number() != v.Number() {
				lost = append(lost, fmt.Sprintf("enum value %s is gone or has changed", v.FullName()))
			}
		}
	}
	return lost
}

// form is what of a field is on the wire.
func form(f protoreflect.FieldDescriptor) string {
	of := ""
	switch {
	case f.IsMap():
		of = fmt.Sprint(f.MapKey().Kind(), f.MapValue().Kind())
	case f.Message() != nil:
		of = string(f.Message().FullName())
	case f.Enum() != nil:
		of = string(f.Enum().FullName())
	}
	oneof := ""
	if f.ContainingOneof() != nil {
		oneof = string(f.ContainingOneof().Name())
	}
	return fmt.Sprint(f.Number(), f.Kind(), f.Cardinality(), f.IsMap(), of, oneof)
}

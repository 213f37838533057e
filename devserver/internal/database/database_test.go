package database

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	persistencespb "go.temporal.io/server/api/persistence/v1"
	"go.temporal.io/server/common/persistence/serialization"
)

const serverVersion = "1.32.1"

func newPath(t *testing.T) string { return filepath.Join(t.TempDir(), "temporal.db") }

func mustOpen(t *testing.T, path, version string) *Database {
	t.Helper()
	d, err := Open(path, version)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestANewDatabaseHasTheServersTablesAndIsPrivate(t *testing.T) {
	path := newPath(t)
	d := mustOpen(t, path, serverVersion)
	if !d.Created() || d.Suspect() {
		t.Errorf("created %v, suspect %v; want a created one that is trusted", d.Created(), d.Suspect())
	}
	if equal, err := tablesEqual(path); err != nil || !equal {
		t.Errorf("tables equal the server's: %v, %v", equal, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
}

func TestOnlyAClosedDatabaseIsTrustedAgain(t *testing.T) {
	path := newPath(t)
	mustOpen(t, path, serverVersion) // and killed
	d := mustOpen(t, path, serverVersion)
	if !d.Suspect() {
		t.Error("a database that was not closed is trusted")
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if mustOpen(t, path, serverVersion).Suspect() {
		t.Error("a closed database is not trusted")
	}
}

func TestAClosedDatabaseIsOneCompleteFile(t *testing.T) {
	path := newPath(t)
	d := mustOpen(t, path, serverVersion)
	if err := d.EnsureNamespaces(context.Background(), []string{"default"}, NamespaceSpec{Cluster: "active", Retention: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + "-wal"); err != nil {
		t.Fatalf("the server's connection does not write ahead: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if _, err := os.Stat(path + suffix); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there after the close: %v", suffix, err)
		}
	}
	if got := readNamespace(t, path, "default"); got.GetInfo().GetName() != "default" {
		t.Errorf("the file lost its namespace: %v", got)
	}
}

func TestAnUnfinishedCreationIsNotTakenForADatabase(t *testing.T) {
	path := newPath(t)
	aside := filepath.Join(filepath.Dir(path), ".temporal.db.creating")
	if err := os.WriteFile(aside, []byte("half a database"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !mustOpen(t, path, serverVersion).Created() {
		t.Error("no database was created")
	}
	if equal, err := tablesEqual(path); err != nil || !equal {
		t.Errorf("tables equal the server's: %v, %v", equal, err)
	}
}

func TestALeftoverLogOfAnotherDatabaseIsRefused(t *testing.T) {
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		t.Run(suffix, func(t *testing.T) {
			path := newPath(t)
			if err := os.WriteFile(path+suffix, []byte("pages"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(path, serverVersion)
			var stale *StaleLogError
			if !errors.As(err, &stale) || stale.Leftover != path+suffix {
				t.Fatalf("got %v, want a StaleLogError for %s", err, suffix)
			}
			if !strings.Contains(err.Error(), "rm -f "+path+"-wal") {
				t.Errorf("the error does not say how to go on: %v", err)
			}
			if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
				t.Error("a database was created all the same")
			}
		})
	}
}

func TestTheVersionDecidesWhoMayOpenADatabase(t *testing.T) {
	for name, c := range map[string]struct {
		file    string // content of the version file; empty: none
		open    string
		alter   bool // the tables differ from the server's
		refused string
	}{
		"the same version":                  {`{"server":"1.32.1"}`, "1.32.1", false, ""},
		"the same version, tables altered":  {`{"server":"1.32.1"}`, "1.32.1", true, ""},
		"a newer patch":                     {`{"server":"1.32.1"}`, "1.32.9", false, ""},
		"an older patch":                    {`{"server":"1.32.9"}`, "1.32.1", false, ""},
		"a newer minor with equal tables":   {`{"server":"1.31.0"}`, "1.32.1", false, ""},
		"a newer minor with other tables":   {`{"server":"1.31.0"}`, "1.32.1", true, "no migration"},
		"an older minor":                    {`{"server":"1.33.0"}`, "1.32.1", false, "older server cannot read"},
		"an older major":                    {`{"server":"2.0.0"}`, "1.32.1", false, "older server cannot read"},
		"an unknown origin, equal tables":   {"", "1.32.1", false, ""},
		"an unknown origin, other tables":   {"", "1.32.1", true, "unknown version"},
		"a version file that is no version": {`{"server":"newest"}`, "1.32.1", false, `parse version "newest"`},
		"a version file that is no JSON":    {`1.32`, "1.32.1", false, "remove that file"},
	} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			if err := createSchema(path); err != nil {
				t.Fatal(err)
			}
			if c.alter {
				alterTables(t, path)
			}
			if c.file != "" {
				if err := os.WriteFile(path+".version", []byte(c.file), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Open(path, c.open)
			if c.refused == "" {
				if err != nil {
					t.Fatal(err)
				}
				if r, _, err := readRecord(path); err != nil || r.Server != c.open {
					t.Errorf("recorded %v, %v; want server %s", r, err, c.open)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.refused) {
				t.Fatalf("got %v, want a refusal with %q", err, c.refused)
			}
			if raw, _ := os.ReadFile(path + ".version"); string(raw) != c.file {
				t.Errorf("the refused open changed the version file to %s", raw)
			}
		})
	}
}

func TestASecondHolderIsToldThePidOfTheFirst(t *testing.T) {
	path := newPath(t)
	first, err := Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := Publish(path, Address{Frontend: "127.0.0.1:1", Pid: os.Getpid()}); err != nil {
		t.Fatal(err)
	}
	_, err = Acquire(path)
	var locked *LockedError
	if !errors.As(err, &locked) {
		t.Fatalf("got %v, want a LockedError", err)
	}
	if locked.Pid != os.Getpid() || locked.Address != "127.0.0.1:1" ||
		!strings.Contains(err.Error(), "process "+strconv.Itoa(os.Getpid())) {
		t.Errorf("the refusal names neither pid nor address: %v", err)
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	again, err := Acquire(path)
	if err != nil {
		t.Fatalf("after the release: %v", err)
	}
	if err := again.Release(); err != nil {
		t.Fatal(err)
	}
}

func TestALockTestedForAMomentDoesNotTurnAServerAway(t *testing.T) {
	path := newPath(t)
	if err := os.WriteFile(path+".lock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	flock, err := exec.LookPath("flock")
	if err != nil {
		t.Skip("the flock command is not installed")
	}
	cmd := exec.Command(flock, "--shared", path+".lock", "sh", "-c", "echo held; sleep 0.1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	lock, err := Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(lock.Release(), cmd.Wait()); err != nil {
		t.Fatal(err)
	}
}

func TestNamespacesAreBroughtInLineWithTheSettings(t *testing.T) {
	ctx, path := context.Background(), newPath(t)
	d := mustOpen(t, path, serverVersion)
	spec := NamespaceSpec{Cluster: "active", Retention: 720 * time.Hour,
		SearchAttributes: map[string]enumspb.IndexedValueType{"ServiceName": enumspb.INDEXED_VALUE_TYPE_KEYWORD}}
	ensure := func(names ...string) error { return d.EnsureNamespaces(ctx, names, spec) }
	if err := ensure("default"); err != nil {
		t.Fatal(err)
	}
	id := readNamespace(t, path, "default").GetInfo().GetId()

	spec.Retention = 48 * time.Hour
	spec.SearchAttributes = map[string]enumspb.IndexedValueType{"PluginVersion": enumspb.INDEXED_VALUE_TYPE_KEYWORD}
	if err := ensure("default", "other"); err != nil {
		t.Fatal(err)
	}
	got := readNamespace(t, path, "default")
	if got.GetInfo().GetId() != id {
		t.Error("the namespace got another id: its workflows are lost")
	}
	if r := got.GetConfig().GetRetention().AsDuration(); r != 48*time.Hour {
		t.Errorf("retention %s, want 48h", r)
	}
	aliases := map[string]bool{}
	for _, alias := range got.GetConfig().GetCustomSearchAttributeAliases() {
		aliases[alias] = true
	}
	if !aliases["ServiceName"] || !aliases["PluginVersion"] {
		t.Errorf("search attributes %v; want the old one kept and the new one added", aliases)
	}
	if readNamespace(t, path, "other").GetInfo().GetName() != "other" {
		t.Error("the second namespace is missing")
	}

	spec.SearchAttributes = map[string]enumspb.IndexedValueType{"ServiceName": enumspb.INDEXED_VALUE_TYPE_INT}
	if err := ensure("default"); err == nil || !strings.Contains(err.Error(), "exists with type Keyword") {
		t.Errorf("another type for an existing attribute: got %v", err)
	}
}

func TestMoreAttributesThanColumnsAreRefusedByName(t *testing.T) {
	detail := &persistencespb.NamespaceDetail{Config: &persistencespb.NamespaceConfig{}}
	attrs := map[string]enumspb.IndexedValueType{}
	for i := range 60 {
		attrs["Text"+strconv.Itoa(100+i)] = enumspb.INDEXED_VALUE_TYPE_TEXT
	}
	err := applySpec(detail, NamespaceSpec{Retention: time.Hour, SearchAttributes: attrs})
	if err == nil || !strings.Contains(err.Error(), "columns of type Text are taken (by Text100, ") {
		t.Errorf("got %v", err)
	}
}

func TestAPathThatSQLiteWouldMisreadIsRefused(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "a?mode=memory.db"), serverVersion); err == nil {
		t.Error("a path with a question mark was taken")
	}
	if _, err := Open(filepath.Join(t.TempDir(), "missing", "a.db"), serverVersion); err == nil {
		t.Error("a path in a missing folder was taken")
	}
}

func alterTables(t *testing.T, path string) {
	t.Helper()
	db, err := open(path, "rw")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE of_the_future (x INT)"); err != nil {
		t.Fatal(err)
	}
}

func readNamespace(t *testing.T, path, name string) *persistencespb.NamespaceDetail {
	t.Helper()
	db, err := open(path, "ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var data []byte
	var encoding string
	if err := db.QueryRow("SELECT data, data_encoding FROM namespaces WHERE name = ?", name).Scan(&data, &encoding); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			t.Fatalf("no namespace %s", name)
		}
		t.Fatal(err)
	}
	kind, err := enumspb.EncodingTypeFromString(encoding)
	if err != nil {
		t.Fatal(err)
	}
	detail, err := serialization.NewSerializer().NamespaceDetailFromBlob(&commonpb.DataBlob{Data: data, EncodingType: kind})
	if err != nil {
		t.Fatal(err)
	}
	return detail
}

package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	persistencespb "go.temporal.io/server/api/persistence/v1"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/persistence/serialization"
	temporalsql "go.temporal.io/server/common/persistence/sql"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	"go.temporal.io/server/common/resolver"
	"go.temporal.io/server/common/searchattribute/sadefs"
	sqliteschema "go.temporal.io/server/schema/sqlite"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// NamespaceSpec is what every configured namespace must have.
type NamespaceSpec struct {
	// Cluster is the name of the cluster that owns new namespaces.
	Cluster string
	// Retention is how long closed workflows stay.
	Retention time.Duration
	// SearchAttributes are custom attributes by name.
	SearchAttributes map[string]enumspb.IndexedValueType
}

// EnsureNamespaces creates the named namespaces or brings them in line with
// spec. Attributes that spec does not name stay. It writes to the file
// directly, before the server starts and caches anything.
func (d *Database) EnsureNamespaces(ctx context.Context, names []string, spec NamespaceSpec) (err error) {
	db, err := temporalsql.NewSQLDB(sqlplugin.DbKindUnknown, d.config, resolver.NewNoopResolver(),
		log.NewNoopLogger(), metrics.NoopMetricsHandler)
	if err != nil {
		return fmt.Errorf("open %s: %w", d.path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, name := range names {
		if err := ensureNamespace(ctx, db, d, name, spec); err != nil {
			return fmt.Errorf("prepare namespace %q: %w", name, err)
		}
	}
	return nil
}

func ensureNamespace(ctx context.Context, db sqlplugin.DB, d *Database, name string, spec NamespaceSpec) error {
	rows, err := db.SelectFromNamespace(ctx, sqlplugin.NamespaceFilter{Name: &name})
	if errors.Is(err, sql.ErrNoRows) || (err == nil && len(rows) == 0) {
		return createNamespace(d, name, spec)
	}
	if err != nil {
		return err
	}
	row := rows[0]
	encoding, err := enumspb.EncodingTypeFromString(row.DataEncoding)
	if err != nil {
		return err
	}
	serializer := serialization.NewSerializer()
	detail, err := serializer.NamespaceDetailFromBlob(&commonpb.DataBlob{Data: row.Data, EncodingType: encoding})
	if err != nil {
		return err
	}
	before := proto.Clone(detail)
	if err := applySpec(detail, spec); err != nil {
		return err
	}
	if proto.Equal(before, detail) {
		return nil
	}
	detail.ConfigVersion++
	blob, err := serializer.NamespaceDetailToBlob(detail)
	if err != nil {
		return err
	}
	row.Data, row.DataEncoding = blob.GetData(), blob.GetEncodingType().String()
	_, err = db.UpdateNamespace(ctx, &row)
	return err
}

func createNamespace(d *Database, name string, spec NamespaceSpec) error {
	ns, err := sqliteschema.NewNamespaceConfig(spec.Cluster, name, false, nil)
	if err != nil {
		return err
	}
	if err := applySpec(ns.Detail, spec); err != nil {
		return err
	}
	return sqliteschema.CreateNamespaces(d.config, ns)
}

// applySpec sets the retention (the server's own default of one day surprises
// everybody) and gives each missing search attribute a free column.
func applySpec(detail *persistencespb.NamespaceDetail, spec NamespaceSpec) error {
	cfg := detail.GetConfig()
	cfg.Retention = durationpb.New(spec.Retention)
	if cfg.CustomSearchAttributeAliases == nil {
		cfg.CustomSearchAttributeAliases = map[string]string{}
	}
	aliases := cfg.CustomSearchAttributeAliases
	columns := sadefs.GetDBIndexSearchAttributes(nil).CustomSearchAttributes
	taken := map[string]string{}
	for column, alias := range aliases {
		taken[alias] = column
	}
	for _, name := range slices.Sorted(maps.Keys(spec.SearchAttributes)) {
		kind := spec.SearchAttributes[name]
		if column, ok := taken[name]; ok {
			if columns[column] != kind {
				return fmt.Errorf("search attribute %s exists with type %s and %s was asked for; name another or remove the old one",
					name, columns[column], kind)
			}
			continue
		}
		column, err := freeColumn(columns, aliases, kind)
		if err != nil {
			return fmt.Errorf("add search attribute %s: %w", name, err)
		}
		aliases[column] = name
	}
	return nil
}

func freeColumn(columns map[string]enumspb.IndexedValueType, aliases map[string]string, kind enumspb.IndexedValueType) (string, error) {
	var used []string
	for _, column := range slices.Sorted(maps.Keys(columns)) {
		if columns[column] != kind {
			continue
		}
		alias, ok := aliases[column]
		if !ok {
			return column, nil
		}
		used = append(used, alias)
	}
	return "", fmt.Errorf("all %d columns of type %s are taken (by %s)", len(used), kind, strings.Join(used, ", "))
}

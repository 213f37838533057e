// Command setup prepares PostgreSQL for a Temporal server, makes the default
// namespace, and tells whether the server is healthy. Doing it again changes
// nothing; a newer version brings the schema up to date.
//
//	setup schema      make databases and schema, once PostgreSQL answers
//	setup namespace   make the namespace, once the server answers
//	setup healthy     exit code 0 when the frontend serves
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: setup schema|namespace|healthy")
		os.Exit(2)
	}
	var err error
	switch os.Args[1] {
	case "schema":
		err = schema()
	case "namespace":
		err = namespace()
	case "healthy":
		err = healthy(context.Background())
	default:
		err = fmt.Errorf("%q is unknown: want schema, namespace or healthy", os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "setup:", err)
		os.Exit(1)
	}
}

func env(name, standard string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return standard
}

// schema calls temporal-sql-tool as its documentation says, for both databases.
func schema() error {
	host, port := env("POSTGRES_SEEDS", "temporal-postgresql"), env("DB_PORT", "5432")
	if err := await(2*time.Minute, func() error {
		c, err := net.DialTimeout("tcp", net.JoinHostPort(host, port), time.Second)
		if err != nil {
			return err
		}
		return c.Close()
	}); err != nil {
		return fmt.Errorf("PostgreSQL at %s:%s: %w", host, port, err)
	}
	for db, dir := range map[string]string{"temporal": "temporal", "temporal_visibility": "visibility"} {
		tool := func(args ...string) error {
			c := exec.Command("/sql", append([]string{"--plugin", "postgres12", "--ep", host, "-p", port, "-u", env("POSTGRES_USER", "temporal"), "--db", db}, args...)...)
			c.Env = append(os.Environ(), "SQL_PASSWORD="+os.Getenv("POSTGRES_PWD")) // not in the list of processes
			c.Stdout, c.Stderr = os.Stdout, os.Stderr
			if err := c.Run(); err != nil {
				return fmt.Errorf("%s of database %s: %w", args[0], db, err)
			}
			return nil
		}
		if err := await(time.Minute, func() error { return tool("create") }); err != nil { // it may still be starting
			return err
		}
		// A schema that is there is no reason to stop: the update tells whether it can be used.
		if err := tool("setup-schema", "-v", "0.0"); err != nil {
			fmt.Fprintln(os.Stderr, "setup:", err)
		}
		if err := tool("update-schema", "--schema-name", "postgresql/v12/"+dir); err != nil {
			return err
		}
	}
	return nil
}

func dial() (*grpc.ClientConn, error) {
	return grpc.NewClient(env("TEMPORAL_ADDRESS", "temporal:7233"), grpc.WithTransportCredentials(insecure.NewCredentials()))
}

func namespace() error {
	conn, err := dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	name := env("TEMPORAL_NAMESPACE", "default")
	return await(2*time.Minute, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, err := workflowservice.NewWorkflowServiceClient(conn).RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
			Namespace: name, WorkflowExecutionRetentionPeriod: durationpb.New(30 * 24 * time.Hour),
		})
		if status.Code(err) == codes.AlreadyExists {
			return nil
		}
		return err
	})
}

func healthy(ctx context.Context) error {
	conn, err := dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	answer, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{Service: "temporal.api.workflowservice.v1.WorkflowService"})
	if err != nil {
		return err
	}
	if answer.Status != healthpb.HealthCheckResponse_SERVING {
		return fmt.Errorf("the frontend is %s", answer.Status)
	}
	return nil
}

// await tries until there is no error, or gives back the last one.
func await(patience time.Duration, try func() error) error {
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Second) {
		if err = try(); err == nil {
			return nil
		}
	}
	return err
}

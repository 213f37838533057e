// Command testplugin is built by the tests of package e2e, once per kind:
//
//	chatty  prints to stdout before it serves
//	taken   offers an activity that another plugin offers
//	ledger  writes a line into the file of E2E_LEDGER, once for each activity
//	raw     speaks the wire contract without the SDK's decoding and returns what it got
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/orch-host/orch/sdk"
	"github.com/orch-host/orch/sdk/pluginv1"
	"github.com/orch-host/orch/sdk/tracing"
)

var kind string // set by -ldflags "-X main.kind=..."

func main() {
	if kind == "ledger" {
		sdk.Serve(tracing.Plugin(sdk.Plugin{
			Name: kind, Version: "1.0.0", Doc: "A plugin of the end-to-end tests.",
			Activities: []sdk.ActivityDef{sdk.Activity("ledger_write", "Writes down that it was done.", ledger)},
		}))
	}
	activity := map[string]string{"chatty": "chat", "taken": "greet", "raw": "raw_echo"}[kind]
	p := sdk.Plugin{
		Name: kind, Version: "1.0.0", Doc: "A plugin of the end-to-end tests.",
		Activities: []sdk.ActivityDef{sdk.Activity(activity, "Answers.", answer)},
	}
	switch kind {
	case "chatty":
		fmt.Println("starting up | this is no handshake")
		sdk.Serve(p)
	case "taken":
		sdk.Serve(p)
	case "raw":
		serveRaw(p)
	default:
		fmt.Fprintf(os.Stderr, "built without a kind: %q\n", kind)
		os.Exit(2)
	}
}

func answer(_ context.Context, in map[string]any) (string, error) {
	return fmt.Sprintf("%s got %v", kind, in), nil
}

// rawServer answers everything like the SDK, but an activity's payload comes
// back byte by byte, whatever its encoding.
type rawServer struct{ *sdk.Server }

func (rawServer) Execute(stream grpc.BidiStreamingServer[pluginv1.ExecuteRequest, pluginv1.ExecuteEvent]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	return stream.Send(&pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Result{Result: &pluginv1.Result{Output: first.GetStart().GetInput()}}})
}

type rawPlugin struct {
	goplugin.NetRPCUnsupportedPlugin
	server rawServer
}

func (r *rawPlugin) GRPCServer(_ *goplugin.GRPCBroker, g *grpc.Server) error {
	pluginv1.RegisterPluginServer(g, r.server)
	return nil
}

func (r *rawPlugin) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("this is a plugin, not a host")
}

// serveRaw serves as a plugin in another language would: it knows nothing of
// the private handshake descriptor and writes its line to stdout.
func serveRaw(p sdk.Plugin) {
	s, err := sdk.NewServer(p)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: goplugin.HandshakeConfig{
			ProtocolVersion: pluginv1.ProtocolVersion, MagicCookieKey: pluginv1.MagicCookieKey, MagicCookieValue: pluginv1.MagicCookieValue,
		},
		Plugins:    goplugin.PluginSet{pluginv1.PluginName: &rawPlugin{server: rawServer{s}}},
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server { return grpc.NewServer(append(opts, sdk.Options()...)...) },
	})
}

package server

import (
	"net"
	"strconv"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/primitives"
)

const (
	clusterName = "active" // as in Temporal's own development server
	storeName   = "sqlite"
	loopback    = "127.0.0.1"
)

// layout is who listens where.
type layout struct {
	frontendIP                          string
	frontend                            int
	frontendHTTP                        int
	history, matching, worker           int
	frontendAddress, frontendHTTPDialed string
}

func newLayout(ip string, port int) (layout, error) {
	ports, err := freePorts(loopback, 3)
	if err != nil {
		return layout{}, err
	}
	// The HTTP API shares the frontend's address in Temporal's configuration;
	// Nexus callbacks of the server to itself go through it.
	http, err := freePorts(ip, 1)
	if err != nil {
		return layout{}, err
	}
	l := layout{frontendIP: ip, frontend: port, frontendHTTP: http[0],
		history: ports[0], matching: ports[1], worker: ports[2]}
	l.frontendAddress = join(reachable(ip), port)
	l.frontendHTTPDialed = join(reachable(ip), l.frontendHTTP)
	return l, nil
}

func join(ip string, port int) string { return net.JoinHostPort(ip, strconv.Itoa(port)) }

// hosts replaces gossip: everybody is here.
func (l layout) hosts() map[primitives.ServiceName]static.Hosts {
	return map[primitives.ServiceName]static.Hosts{
		primitives.FrontendService: static.SingleLocalHost(l.frontendAddress),
		primitives.HistoryService:  static.SingleLocalHost(join(loopback, l.history)),
		primitives.MatchingService: static.SingleLocalHost(join(loopback, l.matching)),
		primitives.WorkerService:   static.SingleLocalHost(join(loopback, l.worker)),
	}
}

func serverConfig(l layout, store *config.SQL) *config.Config {
	var c config.Config
	c.Global.Membership.MaxJoinDuration = 30 * time.Second
	c.Global.Membership.BroadcastAddress = loopback
	c.Persistence = config.Persistence{
		DefaultStore:     storeName,
		VisibilityStore:  storeName,
		NumHistoryShards: 1, // fixed for the life of a database
		DataStores:       map[string]config.DataStore{storeName: {SQL: store}},
	}
	c.ClusterMetadata = &cluster.Config{
		FailoverVersionIncrement: 10,
		MasterClusterName:        clusterName,
		CurrentClusterName:       clusterName,
		ClusterInformation: map[string]cluster.ClusterInformation{clusterName: {
			Enabled:                true,
			InitialFailoverVersion: 1,
			RPCAddress:             l.frontendAddress,
			HTTPAddress:            l.frontendHTTPDialed,
			ClusterID:              uuid.NewString(), // a database keeps the id of its first start
		}},
	}
	c.DCRedirectionPolicy.Policy = "noop"
	c.Services = map[string]config.Service{
		string(primitives.FrontendService): {RPC: config.RPC{
			GRPCPort: l.frontend, HTTPPort: l.frontendHTTP, BindOnIP: l.frontendIP}},
		string(primitives.HistoryService):  internalService(l.history),
		string(primitives.MatchingService): internalService(l.matching),
		string(primitives.WorkerService):   internalService(l.worker),
	}
	c.Archival.History.State, c.Archival.Visibility.State = "disabled", "disabled"
	c.NamespaceDefaults.Archival.History.State = "disabled"
	c.NamespaceDefaults.Archival.Visibility.State = "disabled"
	c.PublicClient.HostPort = l.frontendAddress
	return &c
}

func internalService(port int) config.Service {
	return config.Service{RPC: config.RPC{GRPCPort: port, BindOnIP: loopback}}
}

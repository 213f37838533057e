package server

import (
	"time"

	"go.temporal.io/server/common/dynamicconfig"
)

// Worker goroutines of the history queues. The default of 512 per queue serves
// clusters; here it would only be idle stacks.
const schedulerWorkers = 32

// dynamicConfig holds the settings that differ from the server's defaults. The
// keys are given by the server's own constants, so that a renamed one fails
// the build instead of being ignored.
func dynamicConfig() dynamicconfig.StaticClient {
	return dynamicconfig.StaticClient{
		// Each queue of a shard is read at most this often per second. The
		// default of 20 and our one shard put 50 ms between any two steps.
		dynamicconfig.TransferProcessorMaxPollRPS.Key():   2000,
		dynamicconfig.TimerProcessorMaxPollRPS.Key():      2000,
		dynamicconfig.VisibilityProcessorMaxPollRPS.Key(): 2000,
		dynamicconfig.OutboundProcessorMaxPollRPS.Key():   2000,

		// The server can lose the wake-up of a client that waits for a result,
		// which then sleeps for one long poll (default 20 s).
		dynamicconfig.HistoryLongPollExpirationInterval.Key(): time.Second,

		// A host that is cut off says nothing: its polls would take tasks that it
		// never gets, one attempt each, for a minute by default.
		dynamicconfig.KeepAliveTime.Key():    10 * time.Second,
		dynamicconfig.KeepAliveTimeout.Key(): 5 * time.Second,

		// One partition: more forward tasks among themselves, ~100 ms each.
		dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():  1,
		dynamicconfig.MatchingNumTaskqueueWritePartitions.Key(): 1,

		// As Temporal's own development server: changes to search attributes and
		// Nexus endpoints are seen at once, which costs reads, hence the limits.
		dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key():      true,
		dynamicconfig.ForceNexusEndpointRefreshOnRead.Key():              true,
		dynamicconfig.FrontendPersistenceMaxQPS.Key():                    10000,
		dynamicconfig.HistoryPersistenceMaxQPS.Key():                     45000,
		dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key(): 100,
		dynamicconfig.HistoryCacheHostLevelMaxSize.Key():                 8096,
		dynamicconfig.WorkflowPauseEnabled.Key():                         true,
		dynamicconfig.TransferProcessorSchedulerWorkerCount.Key():        schedulerWorkers,
		dynamicconfig.TimerProcessorSchedulerWorkerCount.Key():           schedulerWorkers,
		dynamicconfig.VisibilityProcessorSchedulerWorkerCount.Key():      schedulerWorkers,
		dynamicconfig.ArchivalProcessorSchedulerWorkerCount.Key():        schedulerWorkers,
		dynamicconfig.MemoryTimerProcessorSchedulerWorkerCount.Key():     schedulerWorkers,
	}
}

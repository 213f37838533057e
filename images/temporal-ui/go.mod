module orch.local/images/temporal-ui

go 1.26.5

require github.com/temporalio/ui-server/v2 v2.55.0

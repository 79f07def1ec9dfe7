// Command watched is the engine, and also reports its own resources: on SIGUSR1 it writes the number of its goroutines
// and the KiB in use in its heap to a file with the name of its executable and .watched added.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/hashicorp/vault/sdk/plugin"

	"github.com/apisig/vault-plugin-apisig/backend"
)

func main() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	go func() {
		for range asked {
			var memory runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&memory)
			report := fmt.Appendln(nil, runtime.NumGoroutine(), memory.HeapAlloc>>10)
			_ = os.WriteFile(os.Args[0]+".watched", report, 0o600) //nolint:gosec // its own path
		}
	}()
	if plugin.ServeMultiplex(&plugin.ServeOpts{BackendFactoryFunc: backend.Factory}) != nil {
		os.Exit(1)
	}
}

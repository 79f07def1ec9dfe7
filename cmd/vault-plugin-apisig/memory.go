package main

import (
	"os"
	"runtime/debug"
)

// memoryLimit is the soft limit of the process: near it, the garbage collector works harder, and gives memory back.
const memoryLimit = 512 << 20

// init sets the limit, unless GOMEMLIMIT did.
func init() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

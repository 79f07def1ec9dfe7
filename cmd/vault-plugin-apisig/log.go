package main

import (
	"io"
	"log"
)

// init silences the standard logger, which writes into Vault's log. net/http quotes there what a vendor sends before it
// is asked. The engine logs with Vault's logger.
func init() { log.SetOutput(io.Discard) }

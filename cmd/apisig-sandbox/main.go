// Command apisig-sandbox stands in for the APIs of PAVE, Avanan and Check Point's Infinity Portal, and for two that an
// operator declares, on loopback: PAVE under /v1/, Avanan under /v1.0/, the portal at /auth/external and under
// /app/hec-api/v1.0/, an API whose calls are signed under /custom/, and one with an OAuth 2.0 server, /oauth2/token,
// under /oauth2/v1/. Set a config's base_url to its address. It prints a line for each call, with the status and the
// reason. The README has the credentials that it takes; the OAuth 2.0 client is sandbox-client with the secret
// sandbox-oauth-secret.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "apisig-sandbox:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	address, err := parse(args)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address.String())
	if err != nil {
		return err
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	handler := sandbox.New(sandbox.Default(), time.Now, os.Stdout)
	server := http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(listener)
}

// parse reads the command line: a loopback address to listen on. Other machines must not reach the sandbox, because it
// issues tokens and prints who called.
func parse(args []string) (netip.AddrPort, error) {
	flags := flag.NewFlagSet("apisig-sandbox", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:8400", "loopback `address` to listen on; port 0 takes any free port")
	if err := flags.Parse(args); err != nil {
		return netip.AddrPort{}, err
	}
	address, err := netip.ParseAddrPort(*listen)
	if err != nil || !address.Addr().IsLoopback() {
		return address, fmt.Errorf("-listen takes a loopback address and a port, such as 127.0.0.1:8400, not %q", *listen)
	}
	return address, nil
}

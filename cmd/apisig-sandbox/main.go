// Command apisig-sandbox stands in for the APIs of PAVE, Avanan and Check Point's Infinity Portal, and for one that an
// operator declares, on loopback: PAVE under /v1/, Avanan under /v1.0/, the portal at /auth/external and under
// /app/hec-api/v1.0/, and the declared API under /custom/. Set a config's base_url to its address. It prints a line for
// each call, with the status and the reason.
//
// By default it takes every form of timestamp that PAVE's clients send. With -pave-timestamp it takes only one and
// answers 401 to the others; -avanan-date does the same for Avanan's dates. The flags -refuse, -limit and -break make
// every call fail, -latency sets how slow the vendors are, and -token-life and -infinity-token-life how long their
// tokens live.
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
	address, behaviour, err := parse(args)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address.String())
	if err != nil {
		return err
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	server := http.Server{Handler: sandbox.New(behaviour, time.Now, os.Stdout), ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(listener)
}

// parse reads the command line: a loopback address to listen on, and how to behave. Other machines must not reach the
// sandbox, because it issues tokens and prints who called.
func parse(args []string) (netip.AddrPort, sandbox.Behaviour, error) {
	behaviour := sandbox.Default()
	flags := flag.NewFlagSet("apisig-sandbox", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:8400", "loopback `address` to listen on; port 0 takes any free port")
	dates := flags.String("avanan-date", string(behaviour.AvananDates), "`form` of x-av-date that Avanan takes: zoneless, zulu or both")
	timestamps := flags.String("pave-timestamp", string(behaviour.PAVETimestamps),
		"`form` of API-Timestamp that PAVE takes: rfc3339, rfc3339-ms, rfc3339-us, http-date, unix or all")
	refuse := flags.Bool("refuse", false, "answer every call that its credentials are wrong")
	limit := flags.Bool("limit", false, "answer every call with 429")
	breakDown := flags.Bool("break", false, "answer every call with 500")
	flags.DurationVar(&behaviour.TokenLife, "token-life", behaviour.TokenLife, "lifetime of Avanan's JWTs")
	flags.DurationVar(&behaviour.Latency, "latency", 0, "time to wait before each answer")
	flags.DurationVar(&behaviour.ClockOffset, "clock-offset", 0, "by how much the vendors' clocks are ahead; negative for behind")
	flags.StringVar(&behaviour.PAVEUsername, "pave-username", behaviour.PAVEUsername, "the account that PAVE knows")
	flags.StringVar(&behaviour.PAVEAPIKey, "pave-api-key", behaviour.PAVEAPIKey, "its API key")
	flags.StringVar(&behaviour.PAVEAPISecret, "pave-api-secret", behaviour.PAVEAPISecret, "its API secret, made up")
	flags.StringVar(&behaviour.AvananAppID, "avanan-app-id", behaviour.AvananAppID, "the app that Avanan knows")
	flags.StringVar(&behaviour.AvananSecretKey, "avanan-secret-key", behaviour.AvananSecretKey, "its secret key, made up")
	flags.StringVar(&behaviour.InfinityClientID, "infinity-client-id", behaviour.InfinityClientID, "the key that the Infinity Portal knows")
	flags.StringVar(&behaviour.InfinityAccessKey, "infinity-access-key", behaviour.InfinityAccessKey, "its access key, made up")
	flags.DurationVar(&behaviour.InfinityTokenLife, "infinity-token-life", behaviour.InfinityTokenLife, "lifetime of the portal's tokens")
	flags.StringVar(&behaviour.CustomSecret, "custom-secret", behaviour.CustomSecret, "the secret of the declared API, made up")
	if err := flags.Parse(args); err != nil {
		return netip.AddrPort{}, behaviour, err
	}
	switch behaviour.AvananDates = sandbox.Dates(*dates); behaviour.AvananDates {
	case sandbox.Zoneless, sandbox.Zulu, sandbox.Both:
	default:
		return netip.AddrPort{}, behaviour, fmt.Errorf("-avanan-date is zoneless, zulu or both, not %q", *dates)
	}
	switch behaviour.PAVETimestamps = sandbox.Timestamps(*timestamps); behaviour.PAVETimestamps {
	case sandbox.RFC3339, sandbox.RFC3339Millis, sandbox.RFC3339Micros, sandbox.HTTPDate, sandbox.UnixSeconds, sandbox.AllTimestamps:
	default:
		return netip.AddrPort{}, behaviour, fmt.Errorf(
			"-pave-timestamp is rfc3339, rfc3339-ms, rfc3339-us, http-date, unix or all, not %q", *timestamps)
	}
	switch {
	case *refuse:
		behaviour.Fault = sandbox.Refuse
	case *limit:
		behaviour.Fault = sandbox.Limit
	case *breakDown:
		behaviour.Fault = sandbox.Break
	}
	address, err := netip.ParseAddrPort(*listen)
	if err != nil || !address.Addr().IsLoopback() {
		return address, behaviour, fmt.Errorf("-listen takes a loopback address and a port, such as 127.0.0.1:8400, not %q", *listen)
	}
	return address, behaviour, nil
}

// Command apisig-proxy is a reverse proxy for applications that cannot sign. An application calls it on loopback or on
// a unix socket; Vault signs the call, and the proxy sends it to the vendor. It never has the vendor's secret.
//
// Its configuration is a YAML file, named by -config. With -check it reads the file, says what is wrong with it, and
// exits; with -check -vault it also says what Vault would refuse; with -version it prints its version. It reads the
// file again at SIGHUP, and ends at SIGTERM or SIGINT, after the requests under way. docs/proxy.md has more.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/proxy"
)

// version is set by the build, with -ldflags "-X main.version=v1.2.3".
var version = "unknown"

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "apisig-proxy:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("apisig-proxy", flag.ContinueOnError)
	file := flags.String("config", "", "the configuration `file`, YAML (required)")
	checks := flags.Bool("check", false, "read the configuration, say what is wrong with it, and exit")
	askVault := flags.Bool("vault", false, "with -check: also have Vault sign a call for each pattern, which is not sent")
	printVersion := flags.Bool("version", false, "print the version, and exit")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *printVersion {
		fmt.Println(version)
		return nil
	}
	if *file == "" || flags.NArg() > 0 || *askVault && !*checks {
		return errors.New("usage: apisig-proxy -config file [-check [-vault]]")
	}
	config, err := load(*file)
	if err != nil {
		return err
	}
	unwrapper := &unwrapper{now: time.Now}
	if *checks {
		made, err := connect(config.Vault, unwrapper)
		if err != nil {
			return err
		}
		return check(context.Background(), os.Stdout, *file, config, made, *askVault)
	}
	// With a few connections, what lives in memory is so little that Go's default of 100 collects garbage tens of times a
	// second.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	// What net/http logs may quote a vendor's answer.
	log.SetOutput(io.Discard)
	on, err := listen(config)
	defer func() {
		for _, listener := range []net.Listener{on.Applications, on.Gateways, on.Monitoring} {
			if listener != nil {
				_ = listener.Close()
			}
		}
	}()
	if err != nil {
		return err
	}
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	logged := proxy.NewLog(os.Stderr)
	defer logged.Flush()
	program := &proxy.Program{
		Config:  config,
		Load:    func() (*proxy.Config, error) { return load(*file) },
		Connect: func(vault proxy.Vault) (proxy.Backend, error) { return connect(vault, unwrapper) },
		Reload:  reload,
		Log:     slog.New(logged),
		Now:     time.Now,
	}
	if _, err := readToken(config.Vault.TokenFile); err != nil {
		program.Log.Warn(err.Error())
	}
	return program.Run(ctx, on)
}

// listen listens where the configuration says. Call it before signals and servers have goroutines: see proxy.Listen.
func listen(config *proxy.Config) (on proxy.Listeners, err error) {
	if config.Listen != (proxy.Address{}) {
		on.Applications, err = proxy.Listen(config.Listen)
	}
	if err == nil && config.ForwardAuth != nil {
		on.Gateways, err = proxy.Listen(config.ForwardAuth.Listen)
	}
	if err == nil && config.Metrics != "" {
		on.Monitoring, err = net.Listen("tcp", config.Metrics)
	}
	return on, err
}

// besidesBodies is what the program may have in memory beside the bodies that it reads, before it collects garbage more
// often.
const besidesBodies = 192 << 20

// load reads the configuration, and has the process keep to its memory. GOMEMLIMIT keeps its meaning.
func load(file string) (*proxy.Config, error) {
	config, err := proxy.Load(file)
	if err == nil && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(config.BodyMemory + besidesBodies)
	}
	return config, err
}

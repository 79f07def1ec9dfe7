// Package backend is a Vault secrets engine for APIs that want signed headers or short-lived tokens.
//
// An operator stores an API's secrets under config/<vendor>/:name. Applications read
//
//	creds/<vendor>/:name  ready-made headers, or a leased token
//	sign/<vendor>/:name   the headers of one call, for the request string that they name; under /batch, of many calls
//
// and no path returns a secret.
//
// What an API is to the engine is in internal/api, and each API in a folder of its own beside that: nothing here names
// one. The files are named for what they contain. path_*.go are the paths, written once for all APIs. storage.go keeps
// configs in Vault's storage, which is seal-wrapped, and entry.go in memory, together with their tokens. Tokens are
// nowhere else, except in Vault's own leases.
//
// This is the only package that knows Vault's SDK, and the only one with a clock.
package backend

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/apis"
	"github.com/apisig/vault-plugin-apisig/internal/exchange"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// Version is what the plugin runs as, and what -version must say when it is registered: semantic, with a v. A build can
// set another with -ldflags "-X github.com/apisig/vault-plugin-apisig/backend.Version=v1.2.3".
var Version = "v0.1.0"

const operationPrefix = "apisig"

// backend is one mount of the engine.
type backend struct {
	*framework.Backend

	now    func() time.Time
	newID  func() (string, error)
	client exchange.Client

	stores  []*store // one an API
	metrics *metrics
	// ctx ends with the mount, and every login for readers with it.
	ctx context.Context
}

// Factory makes one mount's backend and sets it up. Vault calls it for each mount, several in one process.
func Factory(ctx context.Context, conf *logical.BackendConfig) (logical.Backend, error) {
	b := newBackend(apis.All(), time.Now, newUUID)
	if err := b.Setup(ctx, conf); err != nil {
		return nil, fmt.Errorf("setting up the backend: %w", err)
	}
	return b, nil
}

func newUUID() (string, error) {
	id, err := uuid.NewRandom()
	return id.String(), err
}

// newBackend makes a backend for some APIs, with a clock and a source of UUIDs.
func newBackend(known []*api.API, now func() time.Time, newID func() (string, error)) *backend {
	ctx, cancel := context.WithCancel(context.Background())
	b := &backend{
		now: now, newID: newID, client: exchange.Client{Now: now}, ctx: ctx,
	}
	b.Backend = &framework.Backend{
		Help:           strings.TrimSpace(backendHelp),
		BackendType:    logical.TypeLogical,
		RunningVersion: Version,
		PathsSpecial:   &logical.Paths{SealWrapStorage: []string{configPrefix}},
		Invalidate:     b.invalidate,
		PeriodicFunc:   b.periodic,
		Clean:          func(context.Context) { cancel() },
	}
	for _, a := range known {
		s := &store{api: a}
		s.entries.byName = map[string]*entry{}
		s.open = b.open
		b.stores = append(b.stores, s)
		if a.Lease != nil {
			b.Secrets = append(b.Secrets, leaseType(a.Lease))
		}
	}
	b.metrics = newMetrics(b.stores)
	b.Paths = b.paths()
	return b
}

// paths are those of every API. The framework tries them in this order, so those that are read most come first.
func (b *backend) paths() []*framework.Path {
	var reads, writes []*framework.Path
	for _, s := range b.stores {
		if s.api.Sign != nil {
			reads = append(reads, b.pathSign(s), b.pathSignBatch(s))
		}
		if s.api.Creds != nil {
			reads = append(reads, b.pathCreds(s))
		}
		if s.api.Calls {
			writes = append(writes, b.pathCheck(s))
		}
		writes = append(writes, b.pathStatus(s), b.pathStatusList(s), b.pathConfig(s), b.pathConfigList(s))
		if s.api.Document != nil {
			writes = append(writes, b.pathSchemes(s.api.Document.Catalogue)...)
		}
	}
	return append(append(reads, b.pathMetrics()), append(writes, b.pathVendors("config"), b.pathVendors("status"))...)
}

// open makes the entry of a config. It keeps the statistics of the entry before, and, if that is for the same account,
// its history and its token.
func (b *backend) open(s *store, name string, c opened, before *entry) *entry {
	e := &entry{opened: c, detected: c.values.Detected(), history: &history{}}
	if before != nil {
		e.stats = before.stats
	} else {
		e.stats = &stats{since: b.now()}
	}
	same := before != nil && c.values.SameAccount(before.values)
	if same {
		e.history = before.history
	}
	if s.api.Lease == nil || c.account.Login == nil {
		return e
	}
	if e.token = token.New(b.ctx, b.now); same {
		e.token = before.token
	}
	shared := e.token
	e.use = token.Use{
		MinTTL: c.values.Seconds(api.MinTTL),
		Mint: func(ctx context.Context) (token.Token, error) {
			learned := shared.Format()
			if learned == "" {
				learned = c.values.Detected()
			}
			report, err := b.login(ctx, s, name, c.account, learned)
			e.loggedIn(b.now(), report, err)
			if err != nil {
				// One line for each login, however many readers wait for it.
				b.Logger().Warn("could not get a token", "vendor", s.api.Name, "config", name, "error", err)
			}
			return report.Token, err
		},
	}
	return e
}

// recovered is deferred. It makes of a panic an error, which says when it was, and a line in the log: a panic would end
// the process, and with it every mount of the plugin. What it panicked with is left out, because that may quote
// anything.
func (b *backend) recovered(when, line string, s *store, err *error) {
	if recover() != nil {
		*err = fmt.Errorf("internal error %s; see Vault's log", when)
		b.Logger().Error(line, "vendor", s.api.Name, "stack", string(debug.Stack()))
	}
}

// login calls the API with the credentials of a config's account. Its error says what to check if the API refuses them.
func (b *backend) login(
	ctx context.Context, s *store, name string, account *api.Account, learned string,
) (report api.Report, err error) {
	defer b.recovered("during the exchange with "+s.api.Title, "an exchange panicked", s, &err)
	began := b.now()
	report, err = account.Login.Login(ctx, api.Caller{
		Client: b.client,
		Later: func(now time.Time, unit time.Duration) (time.Time, error) {
			return s.entries.growing.next(name, now, unit)
		},
		NewID: b.newID,
	}, learned)
	b.metrics.login(s, b.now().Sub(began))
	if failure, is := errors.AsType[*exchange.Error](err); is && failure.Kind == exchange.Refused {
		err = fmt.Errorf("%w; %s", err, account.Login.Refused())
		if clock := clockWarning(failure.Timing); clock != "" {
			err = fmt.Errorf("%w; %s", err, clock)
		}
	}
	return report, err
}

// maxClockOffset is the difference between the vendor's clock and this server's from which on readers of warnings are
// told.
const maxClockOffset = 30 * time.Second

// clockWarning says in words that the vendor's clock and this server's differ; "" if they do not, or nothing is known.
func clockWarning(timing exchange.Timing) string {
	offset, known := timing.Offset()
	switch {
	case known && offset > maxClockOffset:
		return fmt.Sprintf("this server's clock is %s behind the vendor's", offset)
	case known && offset < -maxClockOffset:
		return fmt.Sprintf("this server's clock is %s ahead of the vendor's", -offset)
	case !known && !timing.Date.IsZero():
		return "the vendor's Date is not plausible: it is more than a day off"
	}
	return ""
}

// reportWarnings are for who had a login made: about the clock, and what the API says of it.
func reportWarnings(report api.Report) []string {
	var warnings []string
	for _, warning := range []string{report.Warning, clockWarning(report.Timing)} {
		if warning != "" {
			warnings = append(warnings, warning)
		}
	}
	return warnings
}

// Setup is the framework's, with a view of Vault that does not ask it the same at every request. It reads the options
// of the mount, which Vault passes here only.
func (b *backend) Setup(ctx context.Context, conf *logical.BackendConfig) error {
	option := conf.Config[exchange.LoopbackOption]
	if b.client.LoopbackLogins = false; option != "" {
		var err error
		if b.client.LoopbackLogins, err = strconv.ParseBool(option); err != nil && conf.Logger != nil {
			conf.Logger.Warn("the mount's option counts as false: it must be true or false", "option", exchange.LoopbackOption)
		}
	}
	remembering := *conf
	if conf.System != nil {
		remembering.System = &systemView{SystemView: conf.System, now: b.now}
	}
	return b.Backend.Setup(ctx, &remembering)
}

// HandleRequest rejects parameters that the path does not have before the framework sees them: the framework would
// ignore an unknown one with a warning, and quote a value of the wrong type, which may be a secret, in its error.
func (b *backend) HandleRequest(ctx context.Context, req *logical.Request) (*logical.Response, error) {
	var ignored string
	if len(req.Data) > 0 { // the framework routes every request; one without parameters need not be routed twice
		if err := checkSize(req.Data); err != nil {
			return respondError(err)
		}
		if path := b.Route(req.Path); path != nil {
			if ignoresUnknown(req) {
				req, ignored = withoutUnknown(req, path.Fields)
			}
			if err := checkParameters(req, path.Fields, takesMore(req, path)); err != nil {
				return respondError(err)
			}
		}
	}
	resp, err := b.Backend.HandleRequest(ctx, req)
	if errors.Is(err, logical.ErrUnsupportedPath) && b.isMisnamed(req) {
		return logical.ErrorResponse(nameRule), nil
	}
	if resp != nil && ignored != "" && req.Path != metricsPath { // which is text
		resp.AddWarning(ignored)
	}
	return resp, err
}

// takesMore reports whether a request may have parameters that its path does not know: those of a document. A config's
// are for writes.
func takesMore(req *logical.Request, path *framework.Path) bool {
	reads := req.Operation == logical.ReadOperation || req.Operation == logical.DeleteOperation
	return path.TakesArbitraryInput && (!reads || !strings.HasPrefix(req.Path, configPrefix))
}

// HandleExistenceCheck looks at the path only. Vault calls it before it checks the policies, so errors in the
// parameters are for HandleRequest to report.
func (b *backend) HandleExistenceCheck(ctx context.Context, req *logical.Request) (checked, exists bool, err error) {
	pathOnly := *req
	pathOnly.Data = nil
	return b.Backend.HandleExistenceCheck(ctx, &pathOnly)
}

// invalidate is called with a storage key that another node changed.
func (b *backend) invalidate(_ context.Context, key string) {
	for _, s := range b.stores {
		if name, is := strings.CutPrefix(key, s.prefix()); is {
			s.entries.doubt(name)
		}
	}
}

const backendHelp = `
The apisig secrets engine stores the secrets of APIs that want signed headers or short-lived tokens, and gives
applications those headers and tokens. The secrets never leave Vault.

An operator writes config/<vendor>/:name; schemes/ lists APIs that are declared already. Applications read
creds/<vendor>/:name (headers, or a leased token) and sign/<vendor>/:name (the headers of one call, for a
request_string; under /batch, those of many calls).
`

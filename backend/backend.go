// Package backend is a Vault secrets engine for APIs that want signed headers: PAVE's and Avanan's.
//
// An operator writes the vendors' secrets under config/. Applications read
//
//	creds/pave/:name    the three headers of a call to PAVE, signed afresh at every read
//	creds/avanan/:name  a JWT of Avanan's, leased
//	sign/avanan/:name   the five headers of one call to Avanan, for the request string they name; under /batch, of many
//
// and no path returns a secret. Configs lie in Vault's storage, seal-wrapped. JWTs live in memory, and at rest only in
// Vault's own leases, so a restart costs one handshake.
//
// This is the only package that knows Vault's SDK, and the only one with a clock.
package backend

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/avanan"
)

// Version is the version that this plugin runs as and that -version at its registration must say: semantic, with a v.
// A build may set another with -ldflags "-X github.com/apisig/vault-plugin-apisig/backend.Version=v1.2.3".
var Version = "v0.1.0"

const operationPrefix = "apisig"

// backend is one mount of the engine.
type backend struct {
	*framework.Backend

	now   func() time.Time
	newID func() (string, error)

	// handshake does one with Avanan; it is avanan.Client's, but in tests.
	handshake func(context.Context, avanan.Account, avanan.DateFormat) (avanan.Token, error)
	// tokens are the JWTs of Avanan's that readers share.
	tokens        *tokenCache
	paveConfigs   configStore[paveConfig]
	avananConfigs configStore[avananConfig]
}

// Factory makes one mount's backend and sets it up. Vault calls it for each mount, several in one process.
func Factory(ctx context.Context, conf *logical.BackendConfig) (logical.Backend, error) {
	b := newBackend(time.Now, newUUID)
	if err := b.Setup(ctx, conf); err != nil {
		return nil, fmt.Errorf("setting up the backend: %w", err)
	}
	return b, nil
}

func newUUID() (string, error) {
	id, err := uuid.NewRandom()
	return id.String(), err
}

func newBackend(now func() time.Time, newID func() (string, error)) *backend {
	b := &backend{
		now: now, newID: newID, handshake: avanan.Client{Now: now, NewID: newID}.Handshake,
		paveConfigs:   configStore[paveConfig]{prefix: pavePrefix, parameters: paveParameters, defaults: newPaveConfig()},
		avananConfigs: configStore[avananConfig]{prefix: avananPrefix, parameters: avananParameters, defaults: newAvananConfig()},
	}
	b.tokens = newTokenCache(now, b.handshakeForReaders)
	b.Backend = &framework.Backend{
		Help:           strings.TrimSpace(backendHelp),
		BackendType:    logical.TypeLogical,
		RunningVersion: Version,
		PathsSpecial:   &logical.Paths{SealWrapStorage: []string{configPrefix}},
		Paths: []*framework.Path{
			// The framework tries them in this order, so those that are read most come first.
			pathSignAvanan(b),
			pathCredsPave(b),
			pathCredsAvanan(b),
			pathSignAvananBatch(b),
			pathConfigPave(b),
			pathConfigAvanan(b),
			pathConfigList("PAVE", pavePrefix),
			pathConfigList("Avanan", avananPrefix),
		},
		Secrets:      []*framework.Secret{secretAvananToken(b)},
		Invalidate:   b.invalidate,
		PeriodicFunc: b.renewTokens,
		Clean:        func(context.Context) { b.tokens.close() },
	}
	return b
}

// Setup is the framework's, with a view of Vault that is not asked the same at every request.
func (b *backend) Setup(ctx context.Context, conf *logical.BackendConfig) error {
	remembering := *conf
	if conf.System != nil {
		remembering.System = &systemView{SystemView: conf.System, now: b.now}
	}
	return b.Backend.Setup(ctx, &remembering)
}

// handshakeForReaders is a handshake, and a line in the log where it fails: one for each, however many readers wait for it.
func (b *backend) handshakeForReaders(
	ctx context.Context, name string, account avanan.Account, first avanan.DateFormat,
) (avanan.Token, error) {
	token, err := b.handshakeOrError(ctx, account, first)
	if err != nil {
		b.Logger().Warn("no JWT from Avanan", "config", name, "error", err)
	}
	return token, err
}

// handshakeOrError is a handshake in which a panic is an error, with a line in the log. It would end the process, and with
// it every mount. What was panicked with is left out: it may quote anything.
func (b *backend) handshakeOrError(
	ctx context.Context, account avanan.Account, first avanan.DateFormat,
) (token avanan.Token, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the handshake with Avanan failed in a way that is not provided for")
			b.Logger().Error("a handshake broke off", "stack", string(debug.Stack()))
		}
	}()
	return b.handshake(ctx, account, first)
}

// HandleRequest refuses what no path knows before the framework looks at it: the framework would ignore an unknown
// parameter with a warning, and quote a value of the wrong type, which may be a secret, in its error.
func (b *backend) HandleRequest(ctx context.Context, req *logical.Request) (*logical.Response, error) {
	if len(req.Data) > 0 { // the framework routes every request, so those without parameters need not be routed here too
		if path := b.Route(req.Path); path != nil {
			if err := checkParameters(req, path.Fields); err != nil {
				return respond(err)
			}
		}
	}
	return b.Backend.HandleRequest(ctx, req)
}

// HandleExistenceCheck looks at the path alone. Vault asks it before it holds a request against the policies, so what
// is wrong with the parameters is for HandleRequest to say.
func (b *backend) HandleExistenceCheck(ctx context.Context, req *logical.Request) (checked, exists bool, err error) {
	pathOnly := *req
	pathOnly.Data = nil
	return b.Backend.HandleExistenceCheck(ctx, &pathOnly)
}

// invalidate is told of a storage key that was changed elsewhere: by the primary, for a secondary or a standby.
func (b *backend) invalidate(_ context.Context, key string) {
	if name, is := strings.CutPrefix(key, pavePrefix); is {
		b.paveConfigs.cache.drop(name)
	}
	if name, is := strings.CutPrefix(key, avananPrefix); is {
		b.avananConfigs.cache.drop(name)
		b.tokens.forget(name)
	}
}

const backendHelp = `
The apisig secrets engine keeps the API secrets of PAVE and Avanan and gives applications what they authenticate with:
signed headers and short-lived tokens. The secrets never leave Vault.

An operator writes config/pave/:name and config/avanan/:name. Applications read creds/pave/:name (headers for five
minutes), creds/avanan/:name (a leased JWT) and sign/avanan/:name (the headers of one call, for a request_string; those
of many calls under sign/avanan/:name/batch).
`

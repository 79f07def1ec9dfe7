package harness

import (
	"crypto/rand"
	"slices"
	"sync"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// Canary begins every secret of the tests, so that one look finds them all.
const Canary = "canary-"

// The secrets that the stand-ins know.
var (
	PaveSecret     = NewSecret()
	AvananSecret   = NewSecret()
	InfinitySecret = NewSecret()
	CustomSecret   = NewSecret()
	OAuthSecret    = NewSecret()
)

// secrets are all that the tests made up.
var secrets struct {
	mu  sync.Mutex
	all []string
}

// standIns are the stand-ins of all tests. Their bearer tokens have no mark, so a search asks for all that there are.
var standIns struct {
	mu  sync.Mutex
	all []*sandbox.Sandbox
}

// standInTokens are those of the Infinity Portal and of the OAuth 2.0 server that the stand-ins have issued so far.
func standInTokens() []string {
	standIns.mu.Lock()
	defer standIns.mu.Unlock()
	var tokens []string
	for _, standIn := range standIns.all {
		tokens = slices.Concat(tokens, standIn.InfinityTokens(), standIn.OAuthTokens())
	}
	return tokens
}

// NewSecret makes up a secret, which every search knows from then on.
func NewSecret() string {
	secrets.mu.Lock()
	defer secrets.mu.Unlock()
	secrets.all = append(secrets.all, Canary+rand.Text())
	return secrets.all[len(secrets.all)-1]
}

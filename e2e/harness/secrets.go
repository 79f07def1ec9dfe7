package harness

import (
	"crypto/rand"
	"sync"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// Canary begins every secret of the tests, so that one look finds them all.
const Canary = "canary-"

// The secrets that the stand-ins know.
var (
	PaveSecret   = NewSecret()
	AvananSecret = NewSecret()
)

// secrets are all that must not be found anywhere: what the tests made up, and what PAVE's sandbox returns to a check.
var secrets = struct {
	mu  sync.Mutex
	all []string
}{all: []string{sandbox.PAVEWebhookToken}}

// NewSecret makes up a secret, which every search knows from then on.
func NewSecret() string {
	secrets.mu.Lock()
	defer secrets.mu.Unlock()
	secrets.all = append(secrets.all, Canary+rand.Text())
	return secrets.all[len(secrets.all)-1]
}

package kubernetes

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

type values = harness.Values

// programs are the paths of what make e2e-kubernetes needs beside Vault.
type programs struct {
	etcd, apiServer, operator, externalSecrets string
	// operatorCRDs and externalSecretsCRDs are folders of custom resource definitions.
	operatorCRDs, externalSecretsCRDs string
}

// needsKubernetes skips a test that runs without the programs.
func needsKubernetes(t *testing.T) programs {
	t.Helper()
	var p programs
	for variable, path := range map[string]*string{
		"ETCD_BIN":                    &p.etcd,
		"KUBE_APISERVER_BIN":          &p.apiServer,
		"VAULT_SECRETS_OPERATOR_BIN":  &p.operator,
		"EXTERNAL_SECRETS_BIN":        &p.externalSecrets,
		"VAULT_SECRETS_OPERATOR_CRDS": &p.operatorCRDs,
		"EXTERNAL_SECRETS_CRDS":       &p.externalSecretsCRDs,
	} {
		if *path = os.Getenv(variable); *path == "" {
			t.Skip(variable + " is not set: make e2e-kubernetes finds or builds what it needs, and sets the variables")
		}
	}
	return p
}

// cluster is a Kubernetes API without nodes and without controllers. Nothing in it is garbage-collected.
type cluster struct {
	programs
	directory string
	url       string
	token     string // of an administrator
	client    *http.Client
}

const (
	namespace = "default"
	issuer    = "https://kubernetes.default.svc"
)

// startWithEngine starts a cluster with the operators' definitions, and a Vault that lets it in, with configs that are
// short-lived.
func startWithEngine(t *testing.T) (*cluster, *harness.RaftServer, *harness.Mount) {
	t.Helper()
	p := needsKubernetes(t)
	server := harness.StartRaft(t)
	m := server.MountApisig(t)
	writeShortLived(m)
	c := startCluster(t, p)
	c.letIn(t, m)
	c.defineAll(t)
	return c, server, m
}

// startCluster starts etcd and an API server for one test.
func startCluster(t *testing.T, p programs) *cluster {
	t.Helper()
	c := &cluster{programs: p, directory: t.TempDir(), token: rand.Text()}
	c.writeKeys(t)
	require.NoError(t, os.WriteFile(c.file("tokens.csv"), []byte(c.token+`,admin,admin,"system:masters"`+"\n"), 0o600))

	client, peer, server := address(t), address(t), address(t)
	etcd := harness.Command(p.etcd,
		"--data-dir="+c.file("etcd"),
		"--unsafe-no-fsync",
		"--listen-client-urls=http://"+client,
		"--advertise-client-urls=http://"+client,
		"--listen-peer-urls=http://"+peer,
		"--initial-advertise-peer-urls=http://"+peer,
		"--initial-cluster=default=http://"+peer,
		"--log-level=warn",
	)
	etcd.Env = []string{} // it takes its own variables for flags
	harness.Background(t, etcd, c.file("etcd.log"), harness.Canary)
	host, port, _ := strings.Cut(server, ":")
	harness.Background(t, harness.Command(p.apiServer,
		"--etcd-servers=http://"+client,
		"--bind-address="+host,
		"--secure-port="+port,
		"--advertise-address="+host,
		"--endpoint-reconciler-type=none",
		"--cert-dir="+c.file("certificates"),
		"--service-cluster-ip-range=10.0.0.0/24",
		"--service-account-issuer="+issuer,
		"--service-account-key-file="+c.keyFile(),
		"--service-account-signing-key-file="+c.file("sa.key"),
		"--api-audiences=vault,"+issuer,
		"--authorization-mode=RBAC",
		"--token-auth-file="+c.file("tokens.csv"),
		"--disable-admission-plugins=ServiceAccount",
	), c.file("apiserver.log"), harness.Canary)

	c.url = "https://" + server
	harness.Eventually(t, func() bool { return c.trust() == nil && c.ready() }, "the API server is ready")
	for _, name := range []string{namespace, operatorNamespace} {
		object := fmt.Sprintf("{apiVersion: v1, kind: Namespace, metadata: {name: %s}}", name)
		c.mustApply(t, "/api/v1/namespaces/"+name, object)
	}
	return c
}

func address(t *testing.T) string {
	t.Helper()
	free, err := harness.FreeAddress()
	require.NoError(t, err)
	return free
}

func (c *cluster) file(name string) string { return filepath.Join(c.directory, name) }

// keyFile has the public key that the tokens of ServiceAccounts are signed with.
func (c *cluster) keyFile() string { return c.file("sa.pub") }

func (c *cluster) certificateFile() string { return c.file("certificates/apiserver.crt") }

func (c *cluster) writeKeys(t *testing.T) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	for file, block := range map[string]*pem.Block{
		c.file("sa.key"): {Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)},
		c.keyFile():      {Type: "PUBLIC KEY", Bytes: public},
	} {
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
	}
}

// trust makes a client that trusts the API server's own certificate, once there is one.
func (c *cluster) trust() error {
	certificate, err := os.ReadFile(c.certificateFile())
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(certificate) {
		return fmt.Errorf("%s has no certificate", c.certificateFile())
	}
	trusting := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	c.client = &http.Client{Transport: &http.Transport{TLSClientConfig: trusting}}
	return nil
}

func (c *cluster) ready() bool {
	req, err := http.NewRequest(http.MethodGet, c.url+"/readyz", http.NoBody) //nolint:noctx // of the process
	if err != nil {
		return false
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := c.client.Do(req)
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
}

// request sends a request to the API server, and returns the status and the answer.
func (c *cluster) request(t *testing.T, method, path, body string) (int, values) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.url+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/apply-patch+yaml")
	resp, err := c.client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	var answer values
	if json.Unmarshal(content, &answer) != nil { // as where a definition is not served yet
		answer = values{"message": string(content)}
	}
	return resp.StatusCode, answer
}

// apply is kubectl apply --server-side --validate=strict of one object, with options such as dryRun=All.
func (c *cluster) apply(t *testing.T, path, object string, options ...string) (int, values) {
	t.Helper()
	query := strings.Join(append([]string{"fieldManager=e2e", "fieldValidation=Strict"}, options...), "&")
	return c.request(t, http.MethodPatch, path+"?"+query, object)
}

func (c *cluster) mustApply(t *testing.T, path, object string, options ...string) {
	t.Helper()
	status, answer := c.apply(t, path, object, options...)
	require.Contains(t, []int{http.StatusOK, http.StatusCreated}, status, "%s: %v", path, answer["message"])
}

// define applies a custom resource definition and waits until it is served.
func (c *cluster) define(t *testing.T, file string) {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	var crd struct {
		Metadata struct{ Name string }
		Spec     struct {
			Group    string
			Names    struct{ Plural string }
			Versions []struct{ Name string }
		}
	}
	require.NoError(t, yaml.Unmarshal(content, &crd))
	c.mustApply(t, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"+crd.Metadata.Name, string(content))
	harness.Eventually(t, func() bool {
		path := "/apis/" + crd.Spec.Group + "/" + crd.Spec.Versions[0].Name + "/" + crd.Spec.Names.Plural
		status, _ := c.request(t, http.MethodGet, path, "")
		return status == http.StatusOK
	}, crd.Metadata.Name+" is served")
}

// vaultInExamples is the address that operators replace.
const vaultInExamples = "https://vault.example.com:8200"

// applyExample applies every object of a file of examples/kubernetes, with the address of Vault in the place of the
// example's.
func (c *cluster) applyExample(t *testing.T, file, vault string, options ...string) {
	t.Helper()
	content, err := os.ReadFile(example(file))
	require.NoError(t, err)
	text := strings.ReplaceAll(string(content), vaultInExamples, vault)
	for object := range strings.SplitSeq(text, "\n---\n") {
		c.mustApply(t, objectPath(t, object), object, options...)
	}
}

// example is the path of a file of examples/kubernetes.
func example(file string) string { return harness.Path("examples/kubernetes/" + file) }

// objectPath is where the API server has an object.
func objectPath(t *testing.T, object string) string {
	t.Helper()
	var named struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   struct{ Name string }
	}
	require.NoError(t, yaml.NewDecoder(bytes.NewReader([]byte(object))).Decode(&named))
	root := "/apis/"
	if !strings.Contains(named.APIVersion, "/") {
		root = "/api/"
	}
	kind := strings.ToLower(named.Kind) + "s"
	return root + named.APIVersion + "/namespaces/" + namespace + "/" + kind + "/" + named.Metadata.Name
}

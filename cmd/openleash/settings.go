package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"gopkg.in/yaml.v3"
)

// settings are what the operator may choose. Each is one flag of flags; its name in the configuration
// file has underscores for dashes, and its variable is that in capitals after OPENLEASH_.
type settings struct {
	file      string // the configuration file
	fileGiven bool   // it was named, and must be there

	data      string
	addr      string
	publicURL string
	hosts     []string
	noGUI     bool

	tlsCert, tlsKey string
	adminToken      string
	metricsAddr     string
	trustedProxies  []string
	privateWebhooks bool

	proofTTL, approvalTTL, tokenTTL time.Duration
	inviteTTL, sessionTTL           time.Duration
	policyTimeout                   time.Duration
	policyScan                      time.Duration

	redact              []string
	logLevel, logFormat string
}

// secretSettings are never printed.
var secretSettings = map[string]bool{"admin-token": true}

// flags defines every setting, once. The data folder comes first, and is a flag of every command;
// the others are flags of those that serve.
func (s *settings) flags() *pflag.FlagSet {
	f := pflag.NewFlagSet("settings", pflag.ContinueOnError)
	f.SortFlags = false
	f.StringVar(&s.data, "data", "./data", "folder that holds all state")
	f.StringVar(&s.addr, "addr", "127.0.0.1:8787", "address to serve on")
	f.StringVar(&s.publicURL, "public-url", "", "where agents and owners reach the server (default: http:// and the address)")
	f.StringSliceVar(&s.hosts, "hosts", nil, "further host names that requests may use, behind a proxy for example")
	f.BoolVar(&s.noGUI, "no-gui", false, "serve no portal")
	f.StringVar(&s.tlsCert, "tls-cert", "", "file of the TLS certificate chain (PEM); reloaded when it changes")
	f.StringVar(&s.tlsKey, "tls-key", "", "file of its private key (PEM)")
	f.StringVar(&s.adminToken, "admin-token", "", "opens the admin routes over TCP; at least 32 characters, better in a variable than on a command line")
	f.StringVar(&s.metricsAddr, "metrics-addr", "", "address that serves /metrics, /livez and /readyz and nothing else")
	f.StringSliceVar(&s.trustedProxies, "trusted-proxies", nil, "networks whose X-Forwarded-For is believed, such as 10.0.0.0/8")
	f.BoolVar(&s.privateWebhooks, "allow-private-webhooks", false, "webhooks may reach loopback, link-local and private addresses")
	f.DurationVar(&s.proofTTL, "proof-ttl", 120*time.Second, "life of a proof whose rule names none; at most 1h")
	f.DurationVar(&s.approvalTTL, "approval-ttl", 24*time.Hour, "how long an approval request waits for its owner")
	f.DurationVar(&s.tokenTTL, "approval-token-ttl", time.Hour, "how long an approval may be redeemed")
	f.DurationVar(&s.inviteTTL, "invite-ttl", 24*time.Hour, "life of an invite")
	f.DurationVar(&s.sessionTTL, "session-ttl", 12*time.Hour, "life of an owner's log-in")
	f.DurationVar(&s.policyTimeout, "policy-timeout", 100*time.Millisecond, "time that a policy may take before it denies")
	f.DurationVar(&s.policyScan, "policy-scan-interval", 2*time.Second, "how often the policies folder is checked for changes that the file system did not announce")
	f.StringSliceVar(&s.redact, "redact", nil, "paths such as $.payload.email whose values never reach the audit log")
	f.StringVar(&s.logLevel, "log-level", "warn", "debug, info (every request), warn or error")
	f.StringVar(&s.logFormat, "log-format", "text", "text or json")
	return f
}

// setting says what one setting is and where it comes from.
type setting struct {
	Name   string `json:"name"` // as in the file
	Value  string `json:"value"`
	Source string `json:"source"`
}

func fileKey(flag string) string { return strings.ReplaceAll(flag, "-", "_") }
func flagOf(key string) string   { return strings.ReplaceAll(key, "_", "-") }
func variable(flag string) string {
	return "OPENLEASH_" + strings.ToUpper(fileKey(flag))
}

// resolve fills in what the command line left open, and says where everything comes from. given are
// the flags of the command line, whose values are set already.
func (s *settings) resolve(all *pflag.FlagSet, fileGiven bool, lookup func(string) (string, bool)) ([]setting, error) {
	if v, ok := lookup("OPENLEASH_CONFIG"); ok && v != "" && !fileGiven {
		s.file, fileGiven = v, true
	}
	s.fileGiven = fileGiven
	file, err := readSettings(s.file, fileGiven, all)
	if err != nil {
		return nil, err
	}
	var out []setting
	all.VisitAll(func(f *pflag.Flag) {
		source := "default"
		set := func(value, from string) {
			if e := f.Value.Set(value); e != nil && err == nil {
				err = misuse("%s is %q: want %s", from, value, wanted(f))
			}
			source = from
		}
		v, ok := lookup(variable(f.Name))
		switch entry, inFile := file[fileKey(f.Name)]; {
		case f.Changed:
			source = "flag --" + f.Name
		case ok:
			set(v, "variable "+variable(f.Name))
		case inFile:
			set(entry.value, fmt.Sprintf("%s:%d", s.file, entry.line))
		}
		shown := strings.Trim(f.Value.String(), "[]")
		if secretSettings[f.Name] && shown != "" {
			shown = "(set)"
		}
		out = append(out, setting{fileKey(f.Name), shown, source})
	})
	if err == nil {
		err = s.check()
	}
	return out, err
}

// check refuses what could only fail later, or silently.
func (s *settings) check() error {
	if _, _, err := net.SplitHostPort(s.addr); err != nil {
		return misuse("addr is %q: want HOST:PORT", s.addr)
	}
	if (s.tlsCert == "") != (s.tlsKey == "") {
		return misuse("tls_cert and tls_key go together: one of them is missing")
	}
	if s.proofTTL <= 0 || s.proofTTL > time.Hour {
		return misuse("proof_ttl is %s: want more than 0 and at most 1h", s.proofTTL)
	}
	for name, d := range map[string]time.Duration{"approval_ttl": s.approvalTTL, "approval_token_ttl": s.tokenTTL,
		"invite_ttl": s.inviteTTL, "session_ttl": s.sessionTTL, "policy_timeout": s.policyTimeout, "policy_scan_interval": s.policyScan} {
		if d <= 0 {
			return misuse("%s is %s: want more than 0", name, d)
		}
	}
	if _, err := s.proxies(); err != nil {
		return err
	}
	_, _, err := s.logger(nil, slog.LevelInfo)
	return err
}

func (s *settings) proxies() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range s.trustedProxies {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, misuse("trusted_proxies: %q is no network such as 10.0.0.0/8", text)
		}
		out = append(out, p)
	}
	return out, nil
}

// url is where clients reach the server.
func (s *settings) url() string {
	if s.publicURL != "" {
		return strings.TrimRight(s.publicURL, "/")
	}
	host, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return ""
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	if s.tlsCert != "" {
		return "https://" + net.JoinHostPort(host, port)
	}
	return "http://" + net.JoinHostPort(host, port)
}

// fileEntry is one setting as the configuration file has it.
type fileEntry struct {
	value string
	line  int
}

// readSettings reads the configuration file: a flat YAML mapping. It need not be there, unless it was
// asked for.
func readSettings(name string, wanted bool, known *pflag.FlagSet) (map[string]fileEntry, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && !wanted {
		return nil, nil
	}
	if errors.Is(err, fs.ErrPermission) && !wanted {
		return nil, advise(fmt.Errorf("reading the configuration: %w", err), "this user may not read the working folder: go to another one, or name the file with --config")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return parseSettings(name, text, known)
}

func parseSettings(name string, text []byte, known *pflag.FlagSet) (map[string]fileEntry, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("reading the configuration: %s: %w", name, err)
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("reading the configuration: %s:%d: want `key: value` lines", name, root.Line)
	}
	out := map[string]fileEntry{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		at := fmt.Sprintf("%s:%d:%d", name, key.Line, key.Column)
		if key.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("reading the configuration: %s: a setting is a word", at)
		}
		if known.Lookup(strings.ReplaceAll(key.Value, "_", "-")) == nil || strings.Contains(key.Value, "-") {
			return nil, advise(fmt.Errorf("reading the configuration: %s: there is no setting %q", at, key.Value),
				"`openleash config` lists the settings")
		}
		if _, twice := out[key.Value]; twice {
			return nil, fmt.Errorf("reading the configuration: %s: %s is given twice", at, key.Value)
		}
		entry := fileEntry{value.Value, key.Line}
		switch value.Kind {
		case yaml.ScalarNode:
		case yaml.SequenceNode:
			var items []string
			if err := value.Decode(&items); err != nil {
				return nil, fmt.Errorf("reading the configuration: %s: %s is a list of words", at, key.Value)
			}
			entry.value = strings.Join(items, ",")
		default:
			return nil, fmt.Errorf("reading the configuration: %s: %s is one value or a list", at, key.Value)
		}
		out[key.Value] = entry
	}
	return out, nil
}

package sdk_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/openleash/openleash-go/sdk"
)

// TestPromise32_NothingPrintsAPrivateKey prints everything that holds one, in every way.
func TestPromise32_NothingPrintsAPrivateKey(t *testing.T) {
	pair, err := sdk.GenerateKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	config := sdk.Config{URL: "http://127.0.0.1:1", AgentID: "bot", PrivateKeyB64: pair.PrivateKeyB64()}
	client, err := sdk.New(config)
	if err != nil {
		t.Fatal(err)
	}
	registration := sdk.Registration{URL: config.URL, AgentID: "bot", KeyPair: pair}
	secrets := []string{pair.PrivateKeyB64(), fmt.Sprint([]byte(pair.Private)[:8])[1:], fmt.Sprintf("%x", []byte(pair.Private)[:8])}
	for _, v := range []any{pair, &pair, config, &config, client, registration, &registration, map[string]any{"k": pair}} {
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("", "v", v)
		encoded, _ := json.Marshal(v)
		printed := fmt.Sprintf("%v %+v %#v %s %x %d %q", v, v, v, v, v, v, v) + string(encoded) + log.String()
		for _, secret := range secrets {
			if strings.Contains(printed, strings.TrimSuffix(secret, "]")) {
				t.Errorf("%T shows its private key: %s", v, printed)
			}
		}
	}
}

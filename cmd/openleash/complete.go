package main

import (
	"cmp"
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"
)

// completions says where the first argument of a command comes from: a list, the field that names an item and one that
// describes it.
var completions = map[string]struct{ path, id, about string }{
	"approval show":    {approvals + "?limit=500", "approval_request_id", "action_type"},
	"approval approve": {approvals + "?status=PENDING&limit=500", "approval_request_id", "action_type"},
	"approval deny":    {approvals + "?status=PENDING&limit=500", "approval_request_id", "action_type"},
	"agent accept":     {"/v1/owner/agents?status=PENDING&limit=500", "agent_id", "status"},
	"agent revoke":     {"/v1/owner/agents?status=ACTIVE&limit=500", "agent_id", "status"},
	"agent group":      {"/v1/owner/agents?limit=500", "agent_id", "status"},
	"policy show":      {policiesPath, "policy_id", "name"},
	"policy delete":    {policiesPath, "policy_id", "name"},
	"draft show":       {drafts, "policy_draft_id", "name"},
	"draft approve":    {drafts + "?status=PENDING", "policy_draft_id", "name"},
	"draft deny":       {drafts + "?status=PENDING", "policy_draft_id", "name"},
	"owner invite":     {"/v1/admin/owners", "user_principal_id", "display_name"},
	"owner revoke":     {"/v1/admin/owners", "user_principal_id", "display_name"},
	"keys revoke":      {"/v1/admin/keys", "kid", "purpose"},
}

// completeIDs makes the shell complete ids, from the server that runs. Without one there is nothing to complete: to
// open a data folder for a key press would be too much.
func (a *app) completeIDs(root *cobra.Command) {
	for words, from := range completions {
		c, _, err := root.Find(strings.Fields(words))
		if err != nil || c == root {
			continue
		}
		c.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) (found []cobra.Completion, _ cobra.ShellCompDirective) {
			if data, ok := a.lookup("OPENLEASH_DATA"); ok && !cmd.Flags().Changed("data") {
				a.settings.data = data
			}
			server, running := a.running(cmd.Context())
			if len(args) > 0 || !running {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			server.owner = a.owner
			var list page[map[string]json.RawMessage]
			if server.call(cmd.Context(), "GET", from.path, nil, &list) != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			for _, item := range list.Items {
				var id, about string
				_ = json.Unmarshal(item[from.id], &id) // what is not text is not completed
				_ = json.Unmarshal(item[from.about], &about)
				if id != "" {
					found = append(found, cobra.CompletionWithDesc(printable(id), cmp.Or(printable(about), " ")))
				}
			}
			return found, cobra.ShellCompDirectiveNoFileComp
		}
	}
}

package compiler_test
import ("testing";"os";"fmt";"github.com/openleash/openleash-go/compiler")
func TestZZ(t *testing.T){ src,_:=os.ReadFile("/tmp/a.yaml"); p:=parse(t,string(src)); m,_:=compiler.Compile(p); b,_:=compiler.Format(m); fmt.Println(string(b)) }

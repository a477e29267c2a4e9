# Without an argument nothing is changed: it says what it would do.
#   --apply         does it; what is done already is left as it is, so it can be run again
#   --undo          says what would take it back
#   --undo --apply  takes it back
# Before a change, what was there is written into the folder spawnpenny-migration, or the one that $NOTES names.
# It needs kubectl 1.23 or later, and rights on namespaces, volumes and claims.
set -u

apply=no undo=no failed=0 changed=0
notes=${NOTES:-spawnpenny-migration}
for argument in "$@"; do
  case $argument in
    --apply) apply=yes ;;
    --undo) undo=yes ;;
    *) printf 'usage: %s [--undo] [--apply]\n' "$0" >&2; exit 2 ;;
  esac
done
[ "$apply" = no ] || mkdir -p "$notes" || exit 1

tell() { printf '%s\n' "$*"; }

refuse() { tell "  NOT DONE: $*"; failed=$((failed + 1)); return 1; }

change() {
  changed=$((changed + 1))
  if [ "$apply" = yes ]; then kubectl "$@" >/dev/null || refuse "kubectl $* failed"; else tell "  would run: kubectl $*"; fi
}

create() { # what namespace/name manifest
  changed=$((changed + 1))
  if [ "$apply" = yes ]; then
    printf '%s' "$3" | kubectl create -f - >/dev/null || refuse "the $1 $2 could not be made"
  else
    tell "  would make the $1 $2"
  fi
}

there() { # kind name [namespace]: whether there is one; stops where that cannot be told
  found=$(kubectl get "$1" "$2" ${3:+-n "$3"} --ignore-not-found -o name) || { tell "kubectl does not answer."; exit 1; }
  [ -n "$found" ]
}

field() { # kind name namespace jsonpath
  kubectl get "$1" "$2" ${3:+-n "$3"} -o "jsonpath={$4}"
}

keep() { # kind name namespace: writes down what is there, the first time
  [ "$apply" = yes ] || return 0
  kept="$notes/$1.${3:+$3.}$2.json"
  [ -e "$kept" ] || { kubectl get "$1" "$2" ${3:+-n "$3"} -o json >"$kept.part" && mv "$kept.part" "$kept"; } ||
    refuse "$1 $2 could not be written down in $notes"
}

# All volumes are freed, then all are given out, then all are settled: what Kubernetes takes its time for, it does for all.
during() { [ "$phase" = all ] || [ "$phase" = "$1" ]; }

new_namespace() { # name manifest
  during free || return 0
  tell "namespace $1"
  if [ "$undo" = yes ]; then tell "  it is left; delete it yourself when nothing is in it: kubectl delete namespace $1"; return; fi
  there namespace "$1" || { create namespace "$1" "$2"; return; }
  tell "  it is there"
}

marked() { # kind name namespace patch unpatch mark: gives labels and annotations, or takes them back
  during free || return 0
  tell "$1 ${3:+$3/}$2"
  there "$1" "$2" "$3" || { refuse "there is none"; return; }
  mark=$(field "$1" "$2" "$3" '.metadata.annotations.spawnpenny\.io/migrated') || { refuse "it cannot be read"; return; }
  if [ "$undo" = yes ]; then
    [ "$mark" = "$6" ] || { tell "  this script has not marked it"; return; }
    change patch "$1" "$2" ${3:+-n "$3"} --type=merge -p "$5"
  else
    [ "$mark" != "$6" ] || { tell "  it is marked"; return; }
    keep "$1" "$2" "$3" && change patch "$1" "$2" ${3:+-n "$3"} --type=merge -p "$4"
  fi
}

volume() { # volume policy namespace claim manifest namespace claim manifest: from KubeSpawner's claim to ours
  if [ "$undo" = yes ]; then move "$1" "$2" "$6" "$7" "$3" "$4" "$5"; else move "$1" "$2" "$3" "$4" "$6" "$7" "$8"; fi
}

move() { # volume policy from claim to claim manifest
  ! during free || tell "volume $1: $3/$4 -> $5/$6"
  holder=$(field pv "$1" "" '.spec.claimRef.namespace}/{.spec.claimRef.name') || { refuse "it cannot be read"; return; }
  if [ "$holder" != "$5/$6" ]; then
    during free || return 0
    [ "$holder" = "$3/$4" ] || { refuse "it is held by the claim $holder"; return; }
    release "$@" || return
  fi
  ! during give || give "$1" "$5" "$6" "$7" || return
  ! during settle || settle "$1" "$2" "$5" "$6"
}

release() { # volume policy from claim to claim: the volume is kept, the old claim goes, and only the new one may have it
  pods=$(kubectl -n "$3" get pods -o go-template='{{range .items}}{{$pod := .metadata.name}}{{range .spec.volumes}}{{if .persistentVolumeClaim}}{{.persistentVolumeClaim.claimName}} {{$pod}}{{"\n"}}{{end}}{{end}}{{end}}') ||
    { refuse "the pods of $3 cannot be read"; return; }
  pods=$(printf '%s\n' "$pods" | while read -r name pod; do [ "$name" != "$4" ] || printf ' %s' "$pod"; done)
  [ -z "$pods" ] || { refuse "it is mounted by$pods: stop that first"; return; }
  ! { [ "$3/$4" != "$5/$6" ] && there pvc "$6" "$5"; } || { refuse "there is a claim $5/$6 already"; return; }
  if there pvc "$4" "$3"; then
    [ "$(field pvc "$4" "$3" .spec.volumeName)" = "$1" ] || { refuse "the claim $3/$4 has another volume by now"; return; }
    keep pvc "$4" "$3" || return
  fi
  keep pv "$1" "" || return
  change patch pv "$1" --type=merge -p "{\"metadata\":{\"annotations\":{\"spawnpenny.io/reclaim-policy\":\"$2\"}},\"spec\":{\"persistentVolumeReclaimPolicy\":\"Retain\"}}" || return
  if [ "$apply" = yes ] && [ "$(field pv "$1" "" .spec.persistentVolumeReclaimPolicy)" != Retain ]; then
    refuse "its reclaim policy is not Retain"; return
  fi
  if there pvc "$4" "$3"; then change delete pvc "$4" -n "$3" --timeout=60s || return; fi
  change patch pv "$1" --type=merge -p "{\"spec\":{\"claimRef\":{\"kind\":\"PersistentVolumeClaim\",\"apiVersion\":\"v1\",\"namespace\":\"$5\",\"name\":\"$6\",\"uid\":null,\"resourceVersion\":null}}}"
}

give() { # volume namespace claim manifest
  if there pvc "$3" "$2"; then
    [ "$(field pvc "$3" "$2" .spec.volumeName)" = "$1" ] || refuse "the claim $2/$3 has another volume"
    return
  fi
  # A claim that is made before Kubernetes has seen the volume's new holder would wait for its next look.
  [ "$apply" = no ] || kubectl wait "pv/$1" '--for=jsonpath={.status.phase}=Available' --timeout=60s >/dev/null ||
    { refuse "$1 is not available yet: run this again"; return; }
  create claim "$2/$3" "$4"
}

settle() { # volume policy namespace claim: it is bound, and its reclaim policy as it was
  if [ "$apply" = yes ]; then
    kubectl -n "$3" wait "pvc/$4" '--for=jsonpath={.status.phase}=Bound' --timeout=60s >/dev/null ||
      { refuse "the claim $3/$4 is not bound yet: run this again"; return; }
  fi
  if [ "$(field pv "$1" "" .spec.persistentVolumeReclaimPolicy)" != "$2" ] || [ -n "$(field pv "$1" "" '.metadata.annotations.spawnpenny\.io/reclaim-policy')" ]; then
    change patch pv "$1" --type=merge -p "{\"metadata\":{\"annotations\":{\"spawnpenny.io/reclaim-policy\":null}},\"spec\":{\"persistentVolumeReclaimPolicy\":\"$2\"}}"
  elif [ "$apply" = no ]; then
    [ "$holder" = "$3/$4" ] || tell "  would wait until $3/$4 is bound, and put the reclaim policy $2 back"
  fi
}

carry_out() {
  if [ "$apply" = no ]; then
    phase=all
    actions
  else
    for phase in free give settle; do actions; done
  fi
  [ "$failed" -eq 0 ] || { tell "$failed not done. What stands above says why; run this again afterwards."; exit 1; }
  if [ "$changed" -eq 0 ]; then tell "There is nothing to do."
  elif [ "$apply" = yes ]; then tell "Done. What was there before is in $notes."
  else tell "Nothing was changed. To do it, add --apply."; fi
  exit 0
}

# Without an option, it prints what it would do, and changes nothing.
#   --apply         does it; it can be run again, and leaves alone what is done already
#   --undo          prints what would undo it
#   --undo --apply  undoes it
# Before a change, it saves the object in the folder spawnpenny-migration, or in the folder $NOTES.
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

say() { printf '%s\n' "$*"; }

refuse() { say "  NOT DONE: $*"; failed=$((failed + 1)); return 1; }

change() {
  changed=$((changed + 1))
  if [ "$apply" = yes ]; then kubectl "$@" >/dev/null || refuse "kubectl $* failed"; else say "  would run: kubectl $*"; fi
}

create() { # what namespace/name manifest
  changed=$((changed + 1))
  if [ "$apply" = yes ]; then
    printf '%s' "$3" | kubectl create -f - >/dev/null || refuse "the $1 $2 could not be created"
  else
    say "  would create the $1 $2"
  fi
}

exists() { # kind name [namespace]: succeeds if the object exists; stops if kubectl does not answer
  found=$(kubectl get "$1" "$2" ${3:+-n "$3"} --ignore-not-found -o name) || { say "kubectl does not answer."; exit 1; }
  [ -n "$found" ]
}

field() { # kind name namespace jsonpath
  kubectl get "$1" "$2" ${3:+-n "$3"} -o "jsonpath={$4}"
}

save() { # kind name namespace: saves the object, the first time
  [ "$apply" = yes ] || return 0
  kept="$notes/$1.${3:+$3.}$2.json"
  [ -e "$kept" ] || { kubectl get "$1" "$2" ${3:+-n "$3"} -o json >"$kept.part" && mv "$kept.part" "$kept"; } ||
    refuse "$1 $2 could not be saved in $notes"
}

# All volumes are released, then all are bound again, then all are checked: so Kubernetes works on all of them at once.
in_phase() { [ "$phase" = all ] || [ "$phase" = "$1" ]; }

new_namespace() { # name manifest
  in_phase free || return 0
  say "namespace $1"
  if [ "$undo" = yes ]; then say "  it is left; delete it yourself when it is empty: kubectl delete namespace $1"; return; fi
  exists namespace "$1" || { create namespace "$1" "$2"; return; }
  say "  it exists already"
}

label() { # kind name namespace patch unpatch hash: adds labels and annotations, or removes them
  in_phase free || return 0
  say "$1 ${3:+$3/}$2"
  exists "$1" "$2" "$3" || { refuse "it does not exist"; return; }
  hash=$(field "$1" "$2" "$3" '.metadata.annotations.spawnpenny\.io/migrated') || { refuse "it cannot be read"; return; }
  if [ "$undo" = yes ]; then
    [ "$hash" = "$6" ] || { say "  this script has not labelled it"; return; }
    change patch "$1" "$2" ${3:+-n "$3"} --type=merge -p "$5"
  else
    [ "$hash" != "$6" ] || { say "  it is labelled already"; return; }
    save "$1" "$2" "$3" && change patch "$1" "$2" ${3:+-n "$3"} --type=merge -p "$4"
  fi
}

volume() { # volume policy namespace claim manifest namespace claim manifest: from KubeSpawner's claim to ours
  if [ "$undo" = yes ]; then move "$1" "$2" "$6" "$7" "$3" "$4" "$5"; else move "$1" "$2" "$3" "$4" "$6" "$7" "$8"; fi
}

move() { # volume policy from claim to claim manifest
  ! in_phase free || say "volume $1: $3/$4 -> $5/$6"
  holder=$(field pv "$1" "" '.spec.claimRef.namespace}/{.spec.claimRef.name') || { refuse "it cannot be read"; return; }
  if [ "$holder" != "$5/$6" ]; then
    in_phase free || return 0
    [ "$holder" = "$3/$4" ] || { refuse "it is held by the claim $holder"; return; }
    release "$@" || return
  fi
  ! in_phase give || give "$1" "$5" "$6" "$7" || return
  ! in_phase settle || settle "$1" "$2" "$5" "$6"
}

release() { # volume policy from claim to claim: keeps the volume, deletes the old claim, and reserves the volume for the new one
  pods=$(kubectl -n "$3" get pods -o go-template='{{range .items}}{{$pod := .metadata.name}}{{range .spec.volumes}}{{if .persistentVolumeClaim}}{{.persistentVolumeClaim.claimName}} {{$pod}}{{"\n"}}{{end}}{{end}}{{end}}') ||
    { refuse "the pods of $3 cannot be read"; return; }
  pods=$(printf '%s\n' "$pods" | while read -r name pod; do [ "$name" != "$4" ] || printf ' %s' "$pod"; done)
  [ -z "$pods" ] || { refuse "it is mounted by$pods: stop them first"; return; }
  ! { [ "$3/$4" != "$5/$6" ] && exists pvc "$6" "$5"; } || { refuse "the claim $5/$6 exists already"; return; }
  if exists pvc "$4" "$3"; then
    [ "$(field pvc "$4" "$3" .spec.volumeName)" = "$1" ] || { refuse "the claim $3/$4 has another volume now"; return; }
    save pvc "$4" "$3" || return
  fi
  save pv "$1" "" || return
  change patch pv "$1" --type=merge -p "{\"metadata\":{\"annotations\":{\"spawnpenny.io/reclaim-policy\":\"$2\"}},\"spec\":{\"persistentVolumeReclaimPolicy\":\"Retain\"}}" || return
  if [ "$apply" = yes ] && [ "$(field pv "$1" "" .spec.persistentVolumeReclaimPolicy)" != Retain ]; then
    refuse "its reclaim policy is not Retain"; return
  fi
  if exists pvc "$4" "$3"; then change delete pvc "$4" -n "$3" --timeout=60s || return; fi
  change patch pv "$1" --type=merge -p "{\"spec\":{\"claimRef\":{\"kind\":\"PersistentVolumeClaim\",\"apiVersion\":\"v1\",\"namespace\":\"$5\",\"name\":\"$6\",\"uid\":null,\"resourceVersion\":null}}}"
}

give() { # volume namespace claim manifest
  if exists pvc "$3" "$2"; then
    [ "$(field pvc "$3" "$2" .spec.volumeName)" = "$1" ] || refuse "the claim $2/$3 has another volume"
    return
  fi
  # A claim that is created before Kubernetes knows the volume's new claim would have to wait for its next check.
  [ "$apply" = no ] || kubectl wait "pv/$1" '--for=jsonpath={.status.phase}=Available' --timeout=60s >/dev/null ||
    { refuse "$1 is not available yet: run this again"; return; }
  create claim "$2/$3" "$4"
}

settle() { # volume policy namespace claim: waits until it is bound, and restores the reclaim policy
  if [ "$apply" = yes ]; then
    kubectl -n "$3" wait "pvc/$4" '--for=jsonpath={.status.phase}=Bound' --timeout=60s >/dev/null ||
      { refuse "the claim $3/$4 is not bound yet: run this again"; return; }
  fi
  if [ "$(field pv "$1" "" .spec.persistentVolumeReclaimPolicy)" != "$2" ] || [ -n "$(field pv "$1" "" '.metadata.annotations.spawnpenny\.io/reclaim-policy')" ]; then
    change patch pv "$1" --type=merge -p "{\"metadata\":{\"annotations\":{\"spawnpenny.io/reclaim-policy\":null}},\"spec\":{\"persistentVolumeReclaimPolicy\":\"$2\"}}"
  elif [ "$apply" = no ]; then
    [ "$holder" = "$3/$4" ] || say "  would wait until $3/$4 is bound, and restore the reclaim policy $2"
  fi
}

carry_out() {
  if [ "$apply" = no ]; then
    phase=all
    actions
  else
    for phase in free give settle; do actions; done
  fi
  [ "$failed" -eq 0 ] || { say "$failed not done. The messages above say why. Correct it, and run this again."; exit 1; }
  if [ "$changed" -eq 0 ]; then say "There is nothing to do."
  elif [ "$apply" = yes ]; then say "Done. The former objects are saved in $notes."
  else say "Nothing was changed. To do it, add --apply."; fi
  exit 0
}

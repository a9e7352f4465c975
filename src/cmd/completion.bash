# SPDX-License-Identifier: GPL-2.0-only
# bash completion for cpt. scripts/check-docs compares the table with `cpt help`.

declare -gA _cpt_options=(
	[doctor]=''
	[init]='--data --metadata --data-size --volume-size'
	[run]='--pid-levels --share --user --hostname --output'
	[snapshot]='--kill --size --outside'
	[restore]='--cgroup --prefetch --host-clocks --dry-run --inherit --replace --drop'
	[list]=''
	[show]=''
	[rm]=''
	[pin]='--size'
	[unpin]=''
)

_cpt_cgroups() {
	find /sys/fs/cgroup -mindepth 1 -type d -printf '%P\n' 2>/dev/null
}

_cpt_snapshots() {	# of the store named on the command line
	cpt ${1:+--store "$1"} list 2>/dev/null | awk 'NR > 1 { print $1 }'
}

_cpt() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb= store= i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--store) store=${COMP_WORDS[++i]} ;;
		-*) ;;
		*) verb=${COMP_WORDS[i]}; break ;;
		esac
	done
	COMPREPLY=()
	case $before in
	--store) mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
	--data | --metadata | --output) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
	--share) mapfile -t COMPREPLY < <(compgen -W 'pid ipc uts mnt all' -- "$word"); return ;;
	--cgroup) mapfile -t COMPREPLY < <(compgen -W "$(_cpt_cgroups)" -- "$word"); return ;;
	--outside | --inherit | --replace | --drop) mapfile -t COMPREPLY < <(compgen -W 'all pipe unix tty mount' -- "$word"); return ;;
	--size | --data-size | --volume-size | --pid-levels | --user | --hostname) return ;;
	esac
	if [[ -z $verb ]]; then
		mapfile -t COMPREPLY < <(compgen -W "help ${!_cpt_options[*]} --store --json --help --version" -- "$word")
	elif [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "${_cpt_options[$verb]-} --store --json --help" -- "$word")
	else
		case $verb in
		help) mapfile -t COMPREPLY < <(compgen -W "${!_cpt_options[*]}" -- "$word") ;;
		snapshot | pin | unpin) mapfile -t COMPREPLY < <(compgen -W "$(_cpt_cgroups)" -- "$word") ;;
		restore | show | rm) mapfile -t COMPREPLY < <(compgen -W "$(_cpt_snapshots "$store")" -- "$word") ;;
		run) mapfile -t COMPREPLY < <(compgen -c -- "$word") ;;
		esac
	fi
}
complete -F _cpt cpt

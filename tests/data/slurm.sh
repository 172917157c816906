#!/usr/bin/env bash
# Starts Slurm for a test, with one machine of one CPU: slurm.sh FOLDER PORT. Its processes are named in FOLDER/*.pid.
set -euo pipefail
folder=$1
port=$2
host=$(hostname -s)
PATH=$PATH:/usr/sbin
mkdir -p "$folder/spool" "$folder/state"
head -c 1024 /dev/urandom >"$folder/munge.key"
chmod 400 "$folder/munge.key"
munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
    --log-file="$folder/munged.log" --seed-file="$folder/munge.seed"
cat >"$folder/slurm.conf" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmdSpoolDir=$folder/spool
StateSaveLocation=$folder/state
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
KillWait=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0
NodeName=$host NodeAddr=127.0.0.1 CPUs=1
PartitionName=test Nodes=$host Default=YES
PartitionName=short Nodes=$host MaxTime=1
END
export SLURM_CONF=$folder/slurm.conf
slurmctld -i
slurmd
for _ in $(seq 100); do
    if sinfo --noheader --format=%T | grep -q idle; then exit 0; fi
    sleep 0.1
done
tail -n 1 "$folder/slurmctld.log" "$folder/slurmd.log"
exit 1

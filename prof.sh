export PATH=/root/me/build:$PATH
mkdir -p /scratch/cpt /var/lib/cpt; mount --bind /scratch/cpt /var/lib/cpt
t() { local s=$(date +%s%N); CPT_MARK=$s "$@"; local r=$?; echo "   [$(( ($(date +%s%N)-s)/1000000 )) ms] $* -> $r"; }
ask() { python3 - $1 <<'P'
import mmap,struct,sys,time
F=open('/scratch/shared','r+b'); m=mmap.mmap(F.fileno(),0)
g=lambda w: struct.unpack_from("=Q",m,w*8)[0]
p=lambda w,v: struct.pack_into("=Q",m,w*8,v)
p(2,ord(sys.argv[1])); p(1,g(1)+1)
while g(3)!=g(1): time.sleep(.01)
print('ask',sys.argv[1],g(4))
P
}
[ -z "$THP" ] || echo $THP >/sys/kernel/mm/transparent_hugepage/enabled
cpt init
mkdir /scratch/d; S=${SIZE:-16}
truncate -s 1M /scratch/shared
cpt run --share all --output /scratch/d/out web -- /root/me/build/bench/bench_memory /scratch/shared $S
until python3 -c 'import struct,sys;d=open("/scratch/shared","rb").read(8);sys.exit(struct.unpack("=Q",d)[0]<10)'; do sleep 1; done
cpt snapshot web
ask d
t cpt snapshot web
ask d
id=$(t cpt snapshot --kill web)
id=$(echo "$id" | head -1); echo "id $id"
cpt unpin web
for i in 1 2 3; do
t cpt restore $id
echo 1 >/sys/fs/cgroup/web/cgroup.kill; sleep 0.3
cpt unpin web
done

#!/bin/sh
# Makes the secrets of docker-compose.yml that do not exist yet, at random: deploy/make_secrets.sh [FOLDER]
# The folder is closed to other accounts. The files are not, because the containers, which are not root, read them through
# their mounts.
set -eu
folder=${1:-$(dirname "$0")/secrets}
umask 022
mkdir -p "$folder"
chmod 700 "$folder"

random() { # bytes, as hexadecimal digits
    od -An -v -N"$1" -tx1 /dev/urandom | tr -d ' \n'
}

keep() { # name; the content is on standard input
    if [ -s "$folder/$1" ]; then
        cat >/dev/null
        return
    fi
    cat >"$folder/$1.partial"
    mv "$folder/$1.partial" "$folder/$1"
    echo "made $folder/$1"
}

content() {
    cat "$folder/$1"
}

for name in api_key postgres_password redis_password s3_access_key; do
    random 24 | keep "$name"
done
for name in triton_secret s3_secret_key; do
    random 32 | keep "$name"
done
echo "postgresql+psycopg://samfleet:$(content postgres_password)@postgres:5432/samfleet" | keep database_url
echo "redis://:$(content redis_password)@redis:6379/0" | keep broker_url
keep s3_credentials <<END
[default]
aws_access_key_id = $(content s3_access_key)
aws_secret_access_key = $(content s3_secret_key)
END
keep store.env <<END
ROOT_ACCESS_KEY_ID=$(content s3_access_key)
ROOT_SECRET_ACCESS_KEY=$(content s3_secret_key)
END

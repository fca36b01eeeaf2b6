"""`srwizard gpus`: what there is to compute on."""

import json

from srwizard.base.i18n import translate as _
from srwizard.commands.options import as_json_option, command, console


@command(_("Show the GPUs and the CPU, and who is busy on them."))
@as_json_option
def gpus(as_json: bool) -> None:
    from srwizard.hardware.devices import devices_json, find_devices
    from srwizard.states.devices import devices_table

    found = find_devices()
    if as_json:
        print(json.dumps(devices_json(found), indent=2, ensure_ascii=False))
    else:
        console.print(devices_table(found))

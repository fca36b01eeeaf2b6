"""`srwizard gpus`: what there is to compute on."""

from srwizard.base.i18n import translate as _
from srwizard.commands.options import as_json_option, command, console, print_json


@command(_("Show the GPUs and the CPU, and who is using them."))
@as_json_option
def gpus(as_json: bool) -> None:
    from srwizard.hardware.devices import devices_json, find_devices
    from srwizard.states.devices import devices_table

    found = find_devices()
    if as_json:
        print_json(devices_json(found))
    else:
        console.print(devices_table(found))

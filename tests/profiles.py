"Colour profiles that no camera has: what ignores them is easily found out."
import struct

def extreme_profile(gamma=3., swap=True):
    "A small RGB profile (ICC 2.1, matrix and one curve): another gamma, and red and blue exchanged"
    def xyz(*v): return b'XYZ \0\0\0\0' + b''.join(struct.pack('>i', round(o*65536)) for o in v)
    red, green, blue = xyz(.4361, .2225, .0139), xyz(.3851, .7169, .0971), xyz(.1431, .0606, .7141)
    if swap: red, blue = blue, red
    curve = b'curv\0\0\0\0' + struct.pack('>IH', 1, round(gamma*256)) + b'\0\0'
    name = b'extreme\0'
    desc = b'desc\0\0\0\0' + struct.pack('>I', len(name)) + name + b'\0'*78 + b'\0'*2
    parts = {b'desc': desc, b'cprt': b'text\0\0\0\0none\0\0\0\0', b'wtpt': xyz(.9642, 1, .8249), b'rXYZ': red, b'gXYZ': green, b'bXYZ': blue,
             b'rTRC': curve, b'gTRC': curve, b'bTRC': curve}
    table, body, at = struct.pack('>I', len(parts)), b'', 128 + 4 + 12*len(parts)
    for tag, data in parts.items():
        table += tag + struct.pack('>II', at + len(body), len(data))
        body += data + b'\0'*(-len(data)%4)
    size = at + len(body)
    head = struct.pack('>I4sI4s4s4s6H4s', size, b'\0'*4, 0x02100000, b'mntr', b'RGB ', b'XYZ ', 2026, 1, 1, 0, 0, 0, b'acsp')
    return head.ljust(68, b'\0') + struct.pack('>3i', 63190, 65536, 54061) + b'\0'*48 + table + body
